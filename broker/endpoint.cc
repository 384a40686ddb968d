#include "broker/endpoint.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace chorale {
namespace {

using boost::asio::generic::stream_protocol;
using boost::asio::ip::tcp;

tcp::endpoint ToTcp(const stream_protocol::endpoint& endpoint) {
  tcp::endpoint tcp;
  // An endpoint's own size follows from the family, which is among what is copied.
  const size_t size = std::min(endpoint.size(), tcp.capacity());
  std::memcpy(tcp.data(), endpoint.data(), size);
  tcp.resize(size);
  return tcp;
}

}  // namespace

std::string Describe(const tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  return address.is_v6() ? absl::StrCat("[", address.to_string(), "]:", endpoint.port())
                         : absl::StrCat(address.to_string(), ":", endpoint.port());
}

std::string Describe(const stream_protocol::endpoint& endpoint) {
  return Describe(ToTcp(endpoint));
}

bool IsLoopback(const stream_protocol::endpoint& endpoint) {
  return endpoint.protocol().family() == AF_UNIX || ToTcp(endpoint).address().is_loopback();
}

}  // namespace chorale
