// The Asio side of a Connection: its socket, TCP or Unix, and the timer of a blocking command.

#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <utility>

#include "broker/connection.h"

namespace chorale {

struct Connection::Transport {
  using Socket = boost::asio::generic::stream_protocol::socket;

  explicit Transport(Socket socket) : socket(std::move(socket)) {}

  Socket socket;
  std::unique_ptr<boost::asio::steady_timer> block_timer;  // made when the client first blocks
};

}  // namespace chorale
