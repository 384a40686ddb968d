#include "broker/connection.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "broker/back_pressure.h"
#include "broker/client_end.h"
#include "broker/clock.h"
#include "broker/dispatch.h"
#include "broker/io_thread.h"
#include "broker/prefetch.h"
#include "broker/pubsub.h"
#include "broker/server.h"
#include "protocol/command_batch.h"

namespace chorale {
namespace {

// Replies of one turn leave when they reach this, so that a deep pipeline needs bounded memory.
constexpr size_t kFlushReplies = 64 << 10;
// An idle client's buffer shrinks after this time without a byte.
constexpr int64_t kIdleAfterMs = 2000;
// What a client may send ahead while it is held back before the broker stops reading. One that
// waits for a key is read on, so that its end is noticed, and closed at client-query-buffer-limit.
constexpr size_t kReadAheadWhileSuspended = 1 << 20;
// Unsent output at which a client gets no events of its mailboxes; in a mailbox they count against
// its capacity and its limit.
constexpr size_t kMostUnsent = 256 << 10;
// When a blocked client's time is over while a script holds its keys.
constexpr int64_t kRetryMs = 20;

}  // namespace

Connection::Connection(IoThread& thread, int descriptor)
    : thread_(thread), descriptor_(descriptor), client_(*this) {
  ++thread_.connections;
}

Connection::~Connection() {
  if (!closed_) ::close(descriptor_);
  --thread_.connections;
}

Server& Connection::server() { return thread_.server(); }

void Connection::Start() {
  client_.authenticated = !server().config().has_password;
  last_active_ms_ = UnixMillis();
  thread_.AddConnection(shared_from_this());
  WatchSocket();
}

// ---- the socket ----

bool Connection::may_read() const {
  // A command that runs looks into the input, which a read may move.
  if (processing_ || ended_ || close_after_reply_) return false;
  // Resume() goes on; Tick() watches for the end of a client that CLIENT PAUSE holds.
  return !suspended_ || input_.size() < kReadAheadWhileSuspended;
}

void Connection::WatchSocket() {
  if (closed_) return;
  uint32_t events = may_read() ? uint32_t{EPOLLIN} : 0;
  if (output_.sendable() > 0 && !flush_pending_) events |= EPOLLOUT;
  if (events == watched_) return;
  if (!thread_.loop().Watch(descriptor_, watched_, events, *this)) {
    spdlog::warn("closing client {}: the system does not watch its socket", client_.info->id);
    watched_ = 0;
    CloseLater();
    return;
  }
  watched_ = events;
}

void Connection::OnReady(uint32_t events) {
  if (closed_) return;
  if ((events & EPOLLOUT) != 0) Flush();
  if ((events & ~uint32_t{EPOLLOUT}) != 0 && !closed_) {
    if (may_read()) {
      Read();
    } else if ((watched_ & EPOLLOUT) != 0 && (events & EPOLLOUT) == 0) {
      Flush();  // finds what is wrong with the socket
    }
  }
  WatchSocket();
}

void Connection::Read() {
  if (input_.capacity() == 0) input_ = thread_.TakeReadBuffer();
  const size_t unread = input_.size();
  input_.Reserve(std::max({parser_.bytes_wanted(), unread + unread, ReadBuffer::kBusyCapacity}));
  const ssize_t bytes = ::recv(descriptor_, input_.tail(), input_.room(), 0);
  if (bytes > 0) {
    input_.Commit(static_cast<size_t>(bytes));
    thread_.server().statistics().thread(thread_.index()).input_bytes.Add(bytes);
    if (!waiting()) {
      Process();
    } else {
      thread_.RefreshClock();
      NoteActivity(thread_.now_ms());
      if (OverQueryLimit(input_.size())) Close();
    }
  } else if (bytes == 0 || (errno != EAGAIN && errno != EINTR)) {
    OnEnd();
  }
  if (input_.size() == 0) thread_.ReturnReadBuffer(std::exchange(input_, {}));
}

void Connection::OnEnd() {
  ended_ = true;
  if (!must_finish() && !processing_) Close();
}

void Connection::NoteActivity(int64_t now_ms) {
  last_active_ms_ = now_ms;
  client_.info->last_interaction_ms.store(now_ms, std::memory_order_relaxed);
  client_.info->input_bytes.store(input_.size(), std::memory_order_relaxed);
}

void Connection::Process() {
  if (processing_ || closed_) return;
  processing_ = true;
  thread_.wakes().BeginTurn();
  thread_.BeginCommands();
  NoteActivity(thread_.now_ms());
  std::string replies = thread_.TakeReplyBuffer();
  ProcessBuffered(replies);
  client_.info->input_bytes.store(input_.size(), std::memory_order_relaxed);
  thread_.wakes().AppendPushes(*this, replies);
  Send(replies);
  thread_.ReturnReplyBuffer(std::move(replies));
  processing_ = false;
  thread_.wakes().EndTurn();
  if (dropping_ || (ended_ && !must_finish())) Close();
  CloseIfDone();
}

void Connection::ProcessBuffered(std::string& replies) {
  const Config& config = server().config();
  ParserLimits limits;
  limits.max_bulk_length = config.proto_max_bulk_len.load(std::memory_order_relaxed);
  limits.max_arguments = config.max_arguments.load(std::memory_order_relaxed);
  while (may_execute() && input_.size() > 0) {
    if (parser_.idle() && client_.authenticated && ProcessBatch(replies)) continue;
    if (!may_execute()) return;
    limits.authenticated = client_.authenticated;
    switch (parser_.Parse(input_.unread(), limits)) {
      case RespParser::Result::kNeedMore:
        HandleNeedMore(replies);
        return;
      case RespParser::Result::kError:
        ReplyWriter(&replies, client_.protocol).Error("ERR " + std::string(parser_.error()));
        close_after_reply_ = true;
        return;
      case RespParser::Result::kCommand:
        break;
    }
    if (!ExecuteAndConsume(parser_.arguments(), parser_.command_size(), replies)) return;
  }
}

// Runs the commands of the usual kind at the front of the input. False if there is none.
bool Connection::ProcessBatch(std::string& replies) {
  if (input_.unread().front() != '*') return false;
  CommandBatch batch;
  batch.Read(input_.unread());
  if (batch.size() > 1) PrefetchFor(batch, server().store(), client_.db);
  for (size_t i = 0; i < batch.size() && may_execute(); ++i) {
    if (!ExecuteAndConsume(batch.arguments(i), batch.bytes(i), replies)) return false;
  }
  return batch.size() > 0;
}

// False if the command was postponed; then it stays at the front of the input.
bool Connection::ExecuteAndConsume(Arguments args, size_t size, std::string& replies) {
  if (!args.empty()) Execute(args, replies);
  if (postponed_) {
    recovered_key_ = std::exchange(recovered_before_, {});
    return false;
  }
  others_were_read_ = false;
  input_.Consume(size);
  if (replies.size() >= kFlushReplies) {
    Send(replies);
    replies.clear();
  }
  return true;
}

void Connection::HandleNeedMore(std::string& replies) {
  if (!OverQueryLimit(std::max(parser_.bytes_wanted(), input_.size()))) return;
  replies.clear();
  close_after_reply_ = true;
}

// Tells the log and the statistics.
bool Connection::OverQueryLimit(size_t bytes) {
  const auto limit = static_cast<size_t>(server().config().client_query_buffer_limit.load());
  if (bytes <= limit) return false;
  spdlog::warn("closing client {}: it sent more than client-query-buffer-limit ({} bytes) ahead",
               client_.info->id, limit);
  server().statistics().thread(thread_.index()).query_buffer_disconnections.Add();
  return true;
}

void Connection::Execute(Arguments args, std::string& replies) {
  // Until the command has run: between the end of a lease and the backup of its message the
  // recovery script of another connection would see neither.
  std::unique_ptr<Lease> ended_lease = std::move(lease_);
  // Hardly ever is one of the two set, and moving empty strings costs more than asking.
  if (!recovered_key_.empty() || !recovered_before_.empty()) {
    recovered_before_ = std::exchange(recovered_key_, {});
  }
  keep_reply_ = false;
  const size_t begin = replies.size();
  const bool skipping = client_.reply_mode == ReplyMode::kSkipNext;
  if (skipping) client_.reply_mode = ReplyMode::kSkipping;
  ReplyWriter writer(&replies, client_.protocol);
  Dispatch(*this, args, writer);
  if (postponed_) lease_ = std::move(ended_lease);
  const bool silent = client_.reply_mode != ReplyMode::kOn &&
                      client_.reply_mode != ReplyMode::kSkipNext && !keep_reply_;
  if (silent) replies.resize(begin);
  if (client_.reply_mode != ReplyMode::kSkipping) return;
  if (postponed_) {
    client_.reply_mode = ReplyMode::kSkipNext;
  } else if (waiter_ == nullptr) {  // else its reply is still to come
    client_.reply_mode = ReplyMode::kOn;
  }
}

// The reply of a command that waited.
void Connection::SendAwaited(std::string_view reply) {
  NoteActivity(UnixMillis());
  const ReplyMode mode = client_.reply_mode;
  if (mode == ReplyMode::kSkipping) client_.reply_mode = ReplyMode::kOn;
  if (mode == ReplyMode::kOn) Send(reply);
}

// ---- writing ----

void Connection::Send(std::string_view bytes) {
  if (bytes.empty() || closed_ || dropping_) return;
  if (client_.subscribed()) thread_.subscriptions().Settle();
  Counter& sent = server().statistics().thread(thread_.index()).output_bytes;
  HoldForDisk();
  if (dropping_) return;
  if (output_.empty() && !output_.holding()) {
    const ssize_t written = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written < 0 && errno != EAGAIN && errno != EINTR) {
      Close();
      return;
    }
    if (written > 0) {
      sent.Add(written);
      bytes.remove_prefix(static_cast<size_t>(written));
      if (bytes.empty()) return;
    }
  }
  output_.Append(bytes);
  if (OverOutputLimit()) {
    Close();
    return;
  }
  if (!processing_) WatchSocket();
}

void Connection::HoldForDisk() {
  Journal* const journal = server().journal();
  if (journal == nullptr || !journal->always()) return;
  if (journal->failed()) {
    // The reply would say that the write is safe.
    if (needed_round_ > journal->done()) CloseLater();
    return;
  }
  const uint64_t needed = journal->needed();
  if (needed <= journal->done()) return;
  output_.HoldUntil(needed);
  if (std::exchange(awaits_disk_, true)) return;
  thread_.AwaitDisk(shared_from_this());
}

bool Connection::ReleaseHeld() {
  if (closed_) return false;
  const Journal& journal = *server().journal();
  awaits_disk_ = output_.Release(journal.done());
  if (awaits_disk_ && journal.failed()) {
    awaits_disk_ = false;
    Close();
    return false;
  }
  FlushDelivered();
  return awaits_disk_ && !closed_;
}

void Connection::Flush() {
  if (closed_ || dropping_ || output_.sendable() == 0) return;
  std::array<iovec, OutputQueue::kMaxBuffers> buffers;
  const size_t count = output_.Gather(buffers);
  ssize_t written = ::writev(descriptor_, buffers.data(), static_cast<int>(count));
  if (written < 0) {
    if (errno != EAGAIN && errno != EINTR) {
      Close();
      return;
    }
    written = 0;
  }
  thread_.RefreshClock();
  NoteActivity(thread_.now_ms());
  output_.Consume(static_cast<size_t>(written));
  server().statistics().thread(thread_.index()).output_bytes.Add(written);
  client_.info->output_bytes.store(output_.bytes(), std::memory_order_relaxed);
  if (events_wait_ && output_.bytes() <= kMostUnsent / 2) DeliverWhatWaited();
  CloseIfDone();
}

void Connection::CloseIfDone() {
  if (close_after_reply_ && !processing_ && output_.empty()) Close();
}

OutputLimit& Connection::output_limit() {
  const bool pubsub = client_.subscribed() && client_.reply_mode == ReplyMode::kOn;
  return server().config().output_limits[pubsub ? kPubSubOutput : kNormalOutput];
}

bool Connection::OverOutputLimit() {
  const auto bytes = static_cast<int64_t>(output_.bytes());
  client_.info->output_bytes.store(output_.bytes(), std::memory_order_relaxed);
  const OutputLimit& limit = output_limit();
  const int64_t hard = limit.hard_bytes.load(std::memory_order_relaxed);
  const int64_t soft = limit.soft_bytes.load(std::memory_order_relaxed);
  bool over = hard != 0 && bytes > hard;
  if (soft == 0 || bytes <= soft) {
    soft_limit_since_ms_ = 0;
  } else if (soft_limit_since_ms_ == 0) {
    soft_limit_since_ms_ = UnixMillis();
  } else {
    over |= UnixMillis() - soft_limit_since_ms_ > limit.soft_seconds.load() * 1000;
  }
  if (!over) return false;
  spdlog::warn("closing client {} ({}): {} bytes wait for it, more than client-output-buffer-limit",
               client_.info->id, client_.info->address, bytes);
  server().statistics().thread(thread_.index()).output_limit_disconnections.Add();
  return true;
}

void Connection::Deliver(const Frame& frame) {
  if (closed_ || dropping_) return;
  if (client_.subscribed()) thread_.subscriptions().Settle();
  HoldForDisk();
  if (dropping_) return;
  output_.Append(frame);
  SendLater();
}

void Connection::Deliver(std::string_view bytes) {
  if (closed_ || dropping_) return;
  if (client_.subscribed()) thread_.subscriptions().Settle();
  HoldForDisk();
  if (dropping_) return;
  output_.Append(bytes);
  SendLater();
}

void Connection::SendLater() {
  if (OverOutputLimit()) {
    CloseLater();
    return;
  }
  // Of a socket that took no more the loop tells when it does.
  if (flush_pending_ || (watched_ & EPOLLOUT) != 0) return;
  flush_pending_ = true;
  thread_.FlushLater(shared_from_this());
}

void Connection::Push(std::string_view bytes) {
  if (bytes.empty()) return;
  NoteActivity(UnixMillis());
  Send(bytes);
}

size_t Connection::RoomForEvents() {
  if (output_.bytes() < kMostUnsent) return kMostUnsent - output_.bytes();
  events_wait_ = true;
  return 0;
}

void Connection::DeliverWhatWaited() {
  events_wait_ = false;
  for (const auto& mailbox : client_.mailboxes) thread_.DeliverLater(mailbox);
}

void Connection::DropAfterLoss() {
  if (closed_ || dropping_) return;
  spdlog::warn("closing client {} ({}): more waits for its thread than client-output-buffer-limit",
               client_.info->id, client_.info->address);
  server().statistics().thread(thread_.index()).output_limit_disconnections.Add();
  CloseLater();
}

// Not at once, because the caller goes through a list of clients that Close would change.
void Connection::CloseLater() {
  dropping_ = true;
  thread_.Post([self = shared_from_this()] { self->Close(); });
}

void Connection::FlushDelivered() {
  flush_pending_ = false;
  Flush();
  WatchSocket();
}

// ---- waiting ----

void Connection::Block(WaiterPointer waiter, int64_t timeout_ms, std::string on_timeout) {
  waiter_ = std::move(waiter);
  on_timeout_ = std::move(on_timeout);
  client_.info->blocked = true;
  if (timeout_ms > 0) StartBlockTimer(timeout_ms);
}

void Connection::StartBlockTimer(int64_t timeout_ms) {
  // The clock counts nanoseconds; what is longer is as good as for ever.
  constexpr int64_t kLongestMs =
      std::chrono::milliseconds(std::chrono::hours(24 * 365 * 50)).count();
  block_timer_ = thread_.StartTimer(
      std::chrono::milliseconds(std::min(timeout_ms, kLongestMs)),
      [self = shared_from_this(), waiter = waiter_.get()] {
        if (self->waiter_.get() != waiter) return;
        if (self->TryCancelBlock(std::string(self->on_timeout_)) == Cancel::kBusy) {
          self->StartBlockTimer(kRetryMs);
        }
      });
}

void Connection::EndBlock() {
  waiter_ = nullptr;
  client_.info->blocked = false;
  if (block_timer_) thread_.loop().CancelTimer(*std::exchange(block_timer_, std::nullopt));
}

bool Connection::Unblock(std::string_view reply, std::unique_ptr<Lease>& lease) {
  if (closed_ || waiter_ == nullptr) return false;
  // Served through one key; it may still be registered on others.
  if (waiter_->keys().size() > 1) {
    thread_.WithKeys(Store::MaskOf(waiter_->keys()),
                     [waiter = waiter_](LockedKeys& keys) { (void)keys.Unregister(waiter); });
  }
  // What it was served with was taken from a key.
  if (!waiter_->keys().empty()) NeedRound(server().NeededRound());
  EndBlock();
  lease_ = std::move(lease);
  SendAwaited(reply);
  Process();
  WatchSocket();
  return true;
}

Connection::Cancel Connection::TryCancelBlock(std::string_view reply) {
  if (closed_ || waiter_ == nullptr) return Cancel::kServed;
  {
    LockedKeys keys(server().store(), UnixMillis());
    if (!keys.Lock(Store::MaskOf(waiter_->keys()), [this] { return server().script_busy(); })) {
      return Cancel::kBusy;
    }
    // A waiter that was served meanwhile has its reply under way.
    if (!keys.Unregister(waiter_)) return Cancel::kServed;
  }
  EndBlock();
  SendAwaited(reply);
  Process();
  WatchSocket();
  return Cancel::kDone;
}

bool Connection::TimeOutBlock() { return CancelBlock(std::string(on_timeout_)); }

void Connection::Suspend() {
  suspended_ = true;
  client_.info->blocked = true;
}

void Connection::Postpone() {
  postponed_ = true;
  Suspend();
}

bool Connection::PostponeUntilOthersAreRead() {
  if (std::exchange(others_were_read_, true)) return false;
  Postpone();
  ResumeAfterReads(*this);
  return true;
}

void Connection::Resume() {
  if (closed_ || !std::exchange(suspended_, false)) return;
  postponed_ = false;
  client_.info->blocked = waiter_ != nullptr;
  if (waiting()) return;
  Process();
  WatchSocket();
}

// ---- ending ----

void Connection::Close() {
  if (processing_) {
    // Process() closes. A command that runs, and a transaction behind it, may still use the client.
    dropping_ = true;
    return;
  }
  if (std::exchange(closed_, true)) return;
  spdlog::debug("client {} ({}) is gone", client_.info->id, client_.info->address);
  const auto self = shared_from_this();
  if (postponed_) server().ForgetPostponed(*client_.info);
  if (waiter_ != nullptr) {
    thread_.WithKeys(Store::MaskOf(waiter_->keys()),
                     [waiter = waiter_](LockedKeys& keys) { (void)keys.Unregister(waiter); });
    EndBlock();
  }
  if (lease_ != nullptr) GiveBack(thread_, std::move(lease_));
  EndClient(client_);
  thread_.RemoveConnection(this);
  ::shutdown(descriptor_, SHUT_RDWR);
  ::close(descriptor_);
  output_.Clear();
}

void Connection::Finish() {
  close_after_reply_ = true;
  CloseIfDone();
}

bool Connection::DropIdle(int64_t now_ms) {
  const int64_t timeout = server().config().timeout_seconds.load(std::memory_order_relaxed);
  if (timeout == 0 || waiting() || client_.subscribed() || client_.info->monitor) return false;
  if (now_ms - last_active_ms_ <= timeout * 1000) return false;
  Close();
  return true;
}

bool Connection::PeerIsGone() const {
  pollfd watched{client_.info->descriptor, POLLRDHUP, 0};
  return ::poll(&watched, 1, 0) > 0 && (watched.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void Connection::Tick(int64_t now_ms) {
  if (closed_ || DropIdle(now_ms)) return;
  if (waiting() && !must_finish() && (watched_ & EPOLLIN) == 0 && PeerIsGone()) {
    Close();
    return;
  }
  if (!output_.empty() && OverOutputLimit()) {
    Close();
    return;
  }
  if (now_ms - last_active_ms_ <= kIdleAfterMs || processing_) return;
  input_.ShrinkToFit();
  if (parser_.idle()) parser_.Shrink();
}

}  // namespace chorale
