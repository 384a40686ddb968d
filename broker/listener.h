// The sockets on which the broker accepts clients: TCP addresses and a Unix socket. Lives on the
// first I/O thread; each accepted socket is handed to the thread with the fewest connections.

#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "broker/config.h"
#include "broker/event_loop.h"

namespace chorale {

class Listener {
 public:
  // Receives the descriptor of each new connection and its address family.
  using OnAccept = std::function<void(int descriptor, int family)>;

  Listener(EventLoop& loop, OnAccept on_accept);
  ~Listener();

  // Binds every address of the configuration. One that begins with '-' is passed over when this
  // machine does not have it.
  [[nodiscard]] absl::Status Open(const Config& config);
  [[nodiscard]] absl::Status StartAccepting();
  // Stops accepting and removes the Unix socket's file. On the I/O thread.
  void Close();

  // "127.0.0.1:6379" and so on, for the banner.
  const std::vector<std::string>& addresses() const { return addresses_; }
  int port() const { return port_; }
  // "redis://127.0.0.1:6379" or "unix:///path": the first address, as clients on this machine
  // reach it, and with the password, `userinfo` before it.
  std::string url(std::string_view userinfo) const;

 private:
  class Socket;

  absl::Status OpenTcp(std::string host, int backlog);
  absl::Status OpenUnix(const std::string& path, int mode, int backlog);

  EventLoop& loop_;
  boost::asio::io_context io_;  // opens sockets and looks names up; it runs nothing
  OnAccept on_accept_;
  std::vector<std::unique_ptr<Socket>> sockets_;
  std::vector<std::string> addresses_;
  std::vector<boost::asio::ip::tcp::endpoint> tcp_endpoints_;
  std::string unix_path_;
  int port_ = 0;
};

}  // namespace chorale
