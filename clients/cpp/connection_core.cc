#include "clients/cpp/connection_core.h"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <random>
#include <utility>

namespace chorale::client {
namespace {

namespace asio = boost::asio;

uint64_t Random() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return generator();
}

}  // namespace

ConnectionCore::ConnectionCore(asio::io_context& io, Options options, Events events)
    : io_(io),
      options_(std::move(options)),
      events_(std::move(events)),
      parser_(options_.reply_limits),
      backoff_(options_.first_delay, options_.longest_delay),
      timer_(io),
      waiting_timer_(io),
      finish_timer_(io) {}

// ---- connecting ----

void ConnectionCore::SetTimer(Options::Duration delay, Step step) {
  timer_.expires_after(delay);
  // A handler that is under way already finds another serial number.
  timer_.async_wait([weak = weak_from_this(), serial = ++timer_serial_, step](const ErrorCode&) {
    const auto self = weak.lock();
    if (self && self->timer_serial_ == serial) (*self.*step)();
  });
}

void ConnectionCore::Attempt() {
  state_ = State::kConnecting;
  parser_.Reset();
  link_ = std::make_shared<Link>(io_, *this);
  SetTimer(options_.connect_timeout, &ConnectionCore::OnConnectTimeout);
  link_->Connect(options_.address);
}

void ConnectionCore::OnConnected() {
  state_ = State::kGreeting;
  std::vector<Word> hello = {"HELLO", 3};
  if (options_.password) {
    hello.insert(hello.end(), {"AUTH", options_.user, *options_.password});
  }
  if (!options_.name.empty()) hello.insert(hello.end(), {"SETNAME", options_.name});
  Stream(hello, true, [this](ErrorCode error, const Value& reply) {
    if (error) return;
    if (reply.is_error()) return End(Error::kRefused, reply.text());
    Open();
  });
}

void ConnectionCore::Open() {
  state_ = State::kOpening;
  if (!events_.open) return BecomeReady();
  SetTimer(options_.connect_timeout, &ConnectionCore::OnConnectTimeout);
  events_.open(Opening(weak_from_this(), attempt_));
}

void ConnectionCore::BecomeReady() {
  state_ = State::kReady;
  backoff_.Reset();
  heard_ = pinged_ = false;
  ++timer_serial_;
  timer_.cancel();
  if (options_.ping_after.count() > 0) SetTimer(options_.ping_after, &ConnectionCore::OnTick);
  queue_.StreamWaiting(*link_);
  link_->FlushLater();
  if (events_.ready) events_.ready();
}

void ConnectionCore::OnTick() {
  if (std::exchange(heard_, false)) {
    SetTimer(options_.ping_after, &ConnectionCore::OnTick);
  } else if (std::exchange(pinged_, true)) {
    End(Error::kPeerSilent, {});
  } else {
    const Word ping[] = {"PING"};
    Stream(ping, true, {});
    SetTimer(options_.ping_timeout, &ConnectionCore::OnTick);
  }
}

void ConnectionCore::OnConnectTimeout() { End(Error::kConnectTimeout, {}); }

void ConnectionCore::OnEnd(const ErrorCode& error) {
  const auto self = shared_from_this();
  End(error, error == asio::error::eof ? "the broker closed the connection" : std::string_view());
}

void ConnectionCore::End(const ErrorCode& error, std::string_view reason) {
  const std::string text = reason.empty() ? error.message() : std::string(reason);
  const bool was_ready = state_ == State::kReady;
  const auto link = std::move(link_);
  link->Close();
  std::vector<ReplyHandler> lost = queue_.Unstream(*link, CommandQueue::Clock::now());
  WatchWaiting();
  state_ = State::kDown;
  ++attempt_;
  SetTimer(backoff_.Next(Random()), &ConnectionCore::Attempt);
  const auto& event = was_ready ? events_.lost : events_.failed;
  if (event) event(error, text);
  Tell(std::move(lost), Error::kOutcomeUnknown);
  CloseIfFinished();
}

// ---- replies ----

size_t ConnectionCore::OnInput(Link& link) {
  const auto self = shared_from_this();
  heard_ = true;
  pinged_ = false;
  for (;;) {
    const std::string_view unread = link.input().unread();
    if (unread.empty()) break;
    const ReplyParser::Result result = parser_.Parse(unread);
    if (result == ReplyParser::Result::kNeedMore) break;
    if (result == ReplyParser::Result::kError) {
      End(Error::kBadReply, parser_.error());
      return 0;
    }
    link.input().Consume(parser_.reply_size());
    if (!OnReply(link, parser_.value())) return 0;
  }
  CloseIfFinished();
  return parser_.bytes_wanted();
}

bool ConnectionCore::OnReply(Link& link, const Value& value) {
  if (value.type() == Type::kPush) {
    if (events_.push) events_.push(value);
  } else if (queue_.streamed_empty()) {
    End(Error::kBadReply, "a reply that nobody asked for: " + value.ToString());
  } else if (ReplyHandler handler = queue_.TakeStreamed()) {
    handler({}, value);
  }
  return link_.get() == &link;
}

// ---- commands ----

size_t ConnectionCore::unsent_bytes() const {
  return queue_.waiting_bytes() +
         (link_ == nullptr ? 0 : static_cast<size_t>(link_->appended() - link_->written()));
}

ConnectionCore::ErrorCode ConnectionCore::Refusal(size_t bytes) const {
  if (state_ == State::kClosed || finishing_) return Error::kClosed;
  if (commands() >= options_.max_commands) return Error::kTooManyCommands;
  if (unsent_bytes() + bytes > options_.max_unsent_bytes) return Error::kTooManyBytes;
  return {};
}

void ConnectionCore::Stream(std::span<const Word> words, bool bound, ReplyHandler handler) {
  const uint64_t begin = link_->appended();
  AppendCommand(words, &link_->output());
  queue_.AddStreamed(begin, link_->appended(), bound, std::move(handler));
  link_->FlushLater();
}

void ConnectionCore::Execute(std::span<const Word> words, bool bound, ReplyHandler handler) {
  if (const ErrorCode error = Refusal(CommandSizeBound(words))) {
    return TellLater(std::move(handler), error);
  }
  if (state_ == State::kReady) return Stream(words, bound, std::move(handler));
  if (bound) return TellLater(std::move(handler), Error::kNotConnected);
  std::string command;
  AppendCommand(words, &command);
  queue_.AddWaiting(command, CommandQueue::Clock::now(), std::move(handler));
  WatchWaiting();
}

void ConnectionCore::ExecuteEncoded(std::string_view command, ReplyHandler handler) {
  if (const ErrorCode error = Refusal(command.size())) {
    return TellLater(std::move(handler), error);
  }
  if (state_ == State::kReady) {
    const uint64_t begin = link_->appended();
    link_->output() += command;
    queue_.AddStreamed(begin, link_->appended(), false, std::move(handler));
    link_->FlushLater();
  } else {
    queue_.AddWaiting(command, CommandQueue::Clock::now(), std::move(handler));
    WatchWaiting();
  }
}

// Sees to it that commands do not wait longer than unsent_timeout.
void ConnectionCore::WatchWaiting() {
  if (queue_.waiting_empty() || options_.unsent_timeout.count() == 0) return;
  if (std::exchange(watching_waiting_, true)) return;
  waiting_timer_.expires_at(queue_.waiting_since() + options_.unsent_timeout);
  waiting_timer_.async_wait([weak = weak_from_this()](const ErrorCode&) {
    const auto self = weak.lock();
    if (!self) return;
    self->watching_waiting_ = false;
    const auto since = CommandQueue::Clock::now() - self->options_.unsent_timeout;
    self->Tell(self->queue_.TakeWaiting(since), Error::kWaitedTooLong);
    self->WatchWaiting();
    self->CloseIfFinished();
  });
}

void ConnectionCore::Tell(std::vector<ReplyHandler> handlers, const ErrorCode& error) {
  for (ReplyHandler& handler : handlers) {
    if (abandoned_) return;
    if (handler) handler(error, Value());
  }
}

void ConnectionCore::TellLater(std::vector<ReplyHandler> handlers, const ErrorCode& error) {
  if (handlers.empty()) return;
  asio::post(io_, [weak = weak_from_this(), handlers = std::move(handlers), error]() mutable {
    if (const auto self = weak.lock()) self->Tell(std::move(handlers), error);
  });
}

void ConnectionCore::TellLater(ReplyHandler handler, const ErrorCode& error) {
  if (!handler) return;
  std::vector<ReplyHandler> handlers;
  handlers.push_back(std::move(handler));
  TellLater(std::move(handlers), error);
}

// ---- Opening ----

bool ConnectionCore::IsOpen(uint64_t attempt) const {
  return attempt == attempt_ && (state_ == State::kOpening || state_ == State::kReady);
}

void ConnectionCore::ExecuteOpening(uint64_t attempt, std::span<const Word> words,
                                    ReplyHandler handler) {
  if (!IsOpen(attempt)) return TellLater(std::move(handler), Error::kNotConnected);
  Stream(words, true, std::move(handler));
}

void ConnectionCore::SendOpening(uint64_t attempt, std::span<const Word> words) {
  if (!IsOpen(attempt)) return;
  AppendCommand(words, &link_->output());
  link_->FlushLater();
}

void ConnectionCore::Done(uint64_t attempt) {
  if (IsOpen(attempt) && state_ == State::kOpening) BecomeReady();
}

void ConnectionCore::Fail(uint64_t attempt, std::string_view reason) {
  if (IsOpen(attempt)) End(Error::kOpenFailed, reason);
}

// ---- ending ----

void ConnectionCore::Finish(Options::Duration limit, std::function<void()> closed) {
  if (state_ == State::kClosed || std::exchange(finishing_, true)) return;
  finished_ = std::move(closed);
  finish_timer_.expires_after(limit);
  finish_timer_.async_wait([weak = weak_from_this()](const ErrorCode& error) {
    const auto self = weak.lock();
    if (!self || error || self->state_ == State::kClosed) return;
    self->Close();
    if (self->finished_) std::exchange(self->finished_, nullptr)();
  });
  asio::post(io_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->CloseIfFinished();
  });
}

void ConnectionCore::CloseIfFinished() {
  if (!finishing_ || state_ == State::kClosed || queue_.size() > 0) return;
  Close();
  if (finished_) std::exchange(finished_, nullptr)();
}

void ConnectionCore::Close() {
  if (std::exchange(state_, State::kClosed) == State::kClosed) return;
  ++timer_serial_;
  timer_.cancel();
  waiting_timer_.cancel();
  finish_timer_.cancel();
  const auto now = CommandQueue::Clock::now();
  if (const auto link = std::move(link_)) {
    link->Close();
    TellLater(queue_.Unstream(*link, now), Error::kOutcomeUnknown);
  }
  TellLater(queue_.TakeWaiting(now), Error::kClosed);
}

void ConnectionCore::Abandon() {
  abandoned_ = true;
  Close();
}

}  // namespace chorale::client
