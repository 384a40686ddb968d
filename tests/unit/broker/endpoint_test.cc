#include "broker/endpoint.h"

#include <gtest/gtest.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/local/stream_protocol.hpp>

namespace chorale {
namespace {

namespace asio = boost::asio;
using Generic = asio::generic::stream_protocol::endpoint;

Generic Tcp(const char* address) {
  return Generic(asio::ip::tcp::endpoint(asio::ip::make_address(address), 6379));
}

TEST(Endpoint, ProtectedModeServesTheLoopbackInterfaceAndTheUnixSocket) {
  for (const char* address : {"127.0.0.1", "127.8.7.6", "::1"}) {
    EXPECT_TRUE(IsLoopback(Tcp(address))) << address;
  }
  EXPECT_TRUE(IsLoopback(Generic(asio::local::stream_protocol::endpoint("/tmp/socket"))));
}

TEST(Endpoint, ProtectedModeServesNoOtherAddress) {
  for (const char* address : {"10.11.12.13", "192.168.0.1", "128.0.0.1", "126.255.255.255",
                              "0.0.0.0", "::", "fe80::1", "2001:db8::1", "::ffff:10.0.0.1"}) {
    EXPECT_FALSE(IsLoopback(Tcp(address))) << address;
  }
}

TEST(Endpoint, IsWrittenAsAUrlWantsIt) {
  EXPECT_EQ(Describe(Tcp("127.0.0.1")), "127.0.0.1:6379");
  EXPECT_EQ(Describe(Tcp("2001:db8::1")), "[2001:db8::1]:6379");
}

}  // namespace
}  // namespace chorale
