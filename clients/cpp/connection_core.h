// What a Connection is inside: the states of connecting, and which reply belongs to which command.
//
//   kDown --delay--> kConnecting --HELLO--> kGreeting --reply--> kOpening --Done()--> kReady
//     ^                  |                     |                    |                   |
//     +------------------+---------------------+--------------------+-------------------+
//
// Shared with the handlers of its timers, weakly; the thread of its io_context only.

#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "clients/cpp/backoff.h"
#include "clients/cpp/command_queue.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/link.h"
#include "clients/cpp/reply_parser.h"

namespace chorale::client {

class ConnectionCore final : public std::enable_shared_from_this<ConnectionCore>,
                             public Link::Owner {
 public:
  using ErrorCode = boost::system::error_code;

  ConnectionCore(boost::asio::io_context& io, Options options, Events events);

  // As in Connection.
  void Start() { Attempt(); }
  void Execute(std::span<const Word> words, bool bound, ReplyHandler handler);
  void ExecuteEncoded(std::string_view command, ReplyHandler handler);
  void Finish(Options::Duration limit, std::function<void()> closed);
  void Close();
  // Closes; no handler is called any more.
  void Abandon();
  bool ready() const { return state_ == State::kReady; }
  size_t commands() const { return queue_.size(); }
  size_t unsent_bytes() const;

  // As in Opening, of this attempt.
  void ExecuteOpening(uint64_t attempt, std::span<const Word> words, ReplyHandler handler);
  void SendOpening(uint64_t attempt, std::span<const Word> words);
  void Done(uint64_t attempt);
  void Fail(uint64_t attempt, std::string_view reason);

 private:
  enum class State : uint8_t { kDown, kConnecting, kGreeting, kOpening, kReady, kClosed };
  using Step = void (ConnectionCore::*)();

  // ---- Link::Owner ----
  void OnConnected() override;
  size_t OnInput(Link& link) override;
  void OnEnd(const ErrorCode& error) override;

  void Attempt();
  void Greet();
  void Open();
  void BecomeReady();
  void OnTick();
  void OnConnectTimeout();
  void End(const ErrorCode& error, std::string_view reason);
  void SetTimer(Options::Duration delay, Step step);

  // False once the link is another one.
  bool OnReply(Link& link, const Value& value);
  ErrorCode Refusal(size_t bytes) const;
  void Stream(std::span<const Word> words, bool bound, ReplyHandler handler);
  bool IsOpen(uint64_t attempt) const;
  void WatchWaiting();
  void Tell(std::vector<ReplyHandler> handlers, const ErrorCode& error);
  void TellLater(std::vector<ReplyHandler> handlers, const ErrorCode& error);
  void TellLater(ReplyHandler handler, const ErrorCode& error);
  void CloseIfFinished();

  boost::asio::io_context& io_;
  const Options options_;
  const Events events_;

  State state_ = State::kDown;
  bool abandoned_ = false;
  uint64_t attempt_ = 0;
  std::shared_ptr<Link> link_;  // null in kDown and kClosed
  ReplyParser parser_;
  CommandQueue queue_;
  Backoff backoff_;

  boost::asio::steady_timer timer_;  // what ends the present state
  uint64_t timer_serial_ = 0;
  boost::asio::steady_timer waiting_timer_;
  bool watching_waiting_ = false;
  bool heard_ = false;   // since the last tick
  bool pinged_ = false;  // and nothing was heard since

  bool finishing_ = false;
  std::function<void()> finished_;
  boost::asio::steady_timer finish_timer_;
};

}  // namespace chorale::client
