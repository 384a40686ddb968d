// A broker made of one listening socket and a script: the test decides what each connection is
// answered, and when it ends. It runs on the io_context of the client under test, so that a test is
// one thread and knows what has happened.

#pragma once

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/resp_parser.h"

namespace chorale::client {

// Runs the loop until `done` holds; fails the test if that takes too long.
inline void RunUntil(boost::asio::io_context& io, const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!done()) {
    io.restart();
    io.run_one_until(deadline);
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "what the test waits for never came";
  }
}

class FakeBroker {
 public:
  using Command = std::vector<std::string>;

  // One accepted connection. Its commands are told to FakeBroker::on_command.
  class Peer : public std::enable_shared_from_this<Peer> {
   public:
    Peer(boost::asio::ip::tcp::socket socket, FakeBroker& broker)
        : socket_(std::move(socket)), broker_(broker) {}

    void Send(std::string_view bytes) {
      boost::system::error_code ignored;
      boost::asio::write(socket_, boost::asio::buffer(bytes), ignored);
    }
    void Close() {
      boost::system::error_code ignored;
      socket_.close(ignored);
    }
    // While false, nothing more is read than the read that is under way takes: the client's bytes
    // pile up in the sockets' buffers.
    void set_reading(bool reading) {
      const bool was_reading = std::exchange(reading_, reading);
      if (reading && !was_reading) Read();
    }
    void Read() {
      socket_.async_read_some(
          boost::asio::buffer(chunk_),
          [self = shared_from_this()](const boost::system::error_code& error, size_t bytes) {
            if (error) {
              self->ended = true;
              return;
            }
            self->arrivals.push_back(bytes);
            self->input_.append(self->chunk_.data(), bytes);
            self->RunCommands();
            if (self->reading_ && self->socket_.is_open()) self->Read();
          });
    }

    std::vector<size_t> arrivals;  // bytes of each read
    std::vector<Command> commands;
    bool ended = false;

   private:
    void RunCommands() {
      while (parser_.Parse(input_, {}) == RespParser::Result::kCommand) {
        commands.emplace_back(parser_.arguments().begin(), parser_.arguments().end());
        input_.erase(0, parser_.command_size());
        broker_.on_command(*this, commands.back());
      }
    }

    boost::asio::ip::tcp::socket socket_;
    FakeBroker& broker_;
    RespParser parser_;
    std::string input_;
    std::array<char, 64 << 10> chunk_;
    bool reading_ = true;
  };

  explicit FakeBroker(boost::asio::io_context& io)
      : acceptor_(io, {boost::asio::ip::address_v4::loopback(), 0}),
        port_(acceptor_.local_endpoint().port()) {
    Accept();
  }

  uint16_t port() const { return port_; }
  // The latest connection.
  Peer& peer() { return *peers.back(); }

  // Nobody listens on the port any more.
  void Stop() { acceptor_.close(); }
  // Somebody does again.
  void Listen() {
    using boost::asio::ip::tcp;
    const tcp::endpoint endpoint(boost::asio::ip::address_v4::loopback(), port_);
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(endpoint);
    acceptor_.listen();
    Accept();
  }

  // By default HELLO and everything else is answered OK.
  std::function<void(Peer&, const Command&)> on_command = [](Peer& peer, const Command&) {
    peer.Send("+OK\r\n");
  };
  std::vector<std::shared_ptr<Peer>> peers;

 private:
  void Accept() {
    acceptor_.async_accept(
        [this](const boost::system::error_code& error, boost::asio::ip::tcp::socket socket) {
          if (error) return;
          peers.push_back(std::make_shared<Peer>(std::move(socket), *this));
          peers.back()->Read();
          Accept();
        });
  }

  boost::asio::ip::tcp::acceptor acceptor_;
  const uint16_t port_;
};

}  // namespace chorale::client
