// Addresses of sockets: how they are written, and what follows from where a client is. Thread-safe.

#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>

namespace chorale {

// Of a TCP socket: "127.0.0.1:6379", "[::1]:6379".
[[nodiscard]] std::string Describe(const boost::asio::ip::tcp::endpoint& endpoint);
[[nodiscard]] std::string Describe(const boost::asio::generic::stream_protocol::endpoint& endpoint);

// Whether a client with this address is on the same machine: protected mode serves no other.
[[nodiscard]] bool IsLoopback(const boost::asio::generic::stream_protocol::endpoint& endpoint);

}  // namespace chorale
