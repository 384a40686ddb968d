// A connection to a broker that stays: RESP3, pipelined, made again for ever when it is lost.
//
//   boost::asio::io_context io;
//   chorale::client::Connection connection(io, options, events);
//   connection.Start();
//   connection.Execute({"GROUP.SEND", "asgi", "chat", "hello"},
//                      [](boost::system::error_code error, const Value& reply) { ... });
//   io.run();
//
// Commands are sent in the order of Execute, those of one turn of the loop in one write, and their
// handlers are called in that order. While there is no connection commands wait for it, within
// bounds (options.h). One that was sent, at least in part, when the connection ended is not sent
// again, because the broker may have run it: its handler gets Error::kOutcomeUnknown.
//
// Thread rule: a connection belongs to its io_context, which one thread runs. Every call comes from
// that thread (or before it runs), every handler and event is called on it, never from within a
// call of this class. Others boost::asio::post() to the io_context. Handlers and events may call
// anything here, and destroy the connection.

#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "clients/cpp/command.h"
#include "clients/cpp/error.h"
#include "clients/cpp/options.h"
#include "clients/cpp/value.h"

namespace chorale::client {

class ConnectionCore;

// Gets the reply to a command, which may be an error of the broker (Value::is_error), or with an
// error of this library no reply. The value is valid until the handler returns. May be empty.
using ReplyHandler = absl::AnyInvocable<void(boost::system::error_code, const Value&)>;

// A connection that was just made and is still to be made ready, as by MAILBOX.OPEN with RESUME,
// before the commands that wait are sent. A handle, copied freely; once this connection has ended
// it does nothing, and commands get Error::kNotConnected.
class Opening {
 public:
  // Sends a command on this connection, or never.
  void Execute(std::span<const Word> words, ReplyHandler handler) const;
  void Execute(std::initializer_list<Word> words, ReplyHandler handler = {}) const {
    Execute(std::span(words.begin(), words.size()), std::move(handler));
  }
  // Sends a command that is answered by pushes only, such as SUBSCRIBE.
  void Send(std::initializer_list<Word> words) const;

  // The connection is ready; calls Events::ready. The handle may be used on: its commands go to
  // this connection only.
  void Done() const;
  // The connection is of no use: ends it, and the next attempt follows after a delay.
  void Fail(std::string_view reason) const;

 private:
  friend class ConnectionCore;
  Opening(std::weak_ptr<ConnectionCore> core, uint64_t attempt)
      : core_(std::move(core)), attempt_(attempt) {}

  std::weak_ptr<ConnectionCore> core_;
  uint64_t attempt_;
};

// Each may be left empty.
struct Events {
  using Error = boost::system::error_code;

  // On every new connection, after HELLO. Must end in Opening::Done() or Fail() within
  // Options::connect_timeout. Without it a connection is ready at once.
  std::function<void(Opening)> open{};
  // The connection is ready; commands that waited are being sent.
  std::function<void()> ready{};
  // A connection that was ready has ended, and the handlers of the commands that were sent on it
  // are about to be told. `reason` is for people.
  std::function<void(Error, std::string_view reason)> lost{};
  // An attempt to connect has failed.
  std::function<void(Error, std::string_view reason)> failed{};
  // A push has arrived; the value is valid until the call returns. From the start of `open` on.
  std::function<void(const Value&)> push{};
};

class Connection {
 public:
  // `io` must outlive the connection.
  Connection(boost::asio::io_context& io, Options options, Events events);
  // Closes at once; handlers that were not called yet are dropped.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Begins to connect. Once.
  void Start();

  // Sends a command, as soon as there is a connection. An error of this library comes to the
  // handler later as well.
  void Execute(std::span<const Word> words, ReplyHandler handler);
  void Execute(std::initializer_list<Word> words, ReplyHandler handler = {}) {
    Execute(std::span(words.begin(), words.size()), std::move(handler));
  }
  // The same for one command that AppendCommand has written before.
  void ExecuteEncoded(std::string_view command, ReplyHandler handler = {});
  // For a command that makes sense only on the connection that is up now, such as MAILBOX.ACK: it
  // never waits for another one, but gets Error::kNotConnected.
  void ExecuteNow(std::initializer_list<Word> words, ReplyHandler handler = {});

  // Closes when every command has its reply, or after `limit`: takes no more commands, then calls
  // `closed`.
  void Finish(Options::Duration limit, std::function<void()> closed = {});
  // Closes at once. No event follows; the handlers of commands without a reply get an error.
  void Close();

  bool ready() const;
  // Commands that have no reply yet, and bytes that the kernel has not taken yet; the bounds of
  // both are in the options.
  size_t commands() const;
  size_t unsent_bytes() const;

 private:
  const std::shared_ptr<ConnectionCore> core_;
};

}  // namespace chorale::client
