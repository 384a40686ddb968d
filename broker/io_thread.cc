#include "broker/io_thread.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "broker/clock.h"
#include "broker/connection.h"
#include "broker/mailbox_delivery.h"
#include "broker/pubsub.h"
#include "broker/scripting/script_engine.h"
#include "broker/server.h"

namespace chorale {
namespace {

constexpr size_t kLargestKeptReplyBuffer = 256 << 10;

constexpr int64_t kTickMs = 1000;

// What may wait in an inbox before publishers are held back.
constexpr size_t kCongestedTasks = 4096;
constexpr size_t kCongestedBytes = 16 << 20;
// About what a task takes beside what it carries.
constexpr size_t kTaskBytes = 128;
constexpr int64_t kTimeOfDayValidUs = 200;
constexpr std::chrono::milliseconds kRetryKeys{20};

// A large command is read in several turns.
constexpr int kTurnsPerCommand = 16;

thread_local IoThread* t_current = nullptr;

}  // namespace

IoThread::IoThread(Server& server, int index)
    : server_(server),
      index_(index),
      subscriptions_(std::make_unique<LocalSubscriptions>()),
      scripts_(std::make_unique<ScriptEngine>(server.script_cache())) {}

IoThread::~IoThread() = default;

IoThread* IoThread::Current() { return t_current; }

void IoThread::Start() {
  thread_ = std::thread([this] { Run(); });
}

void IoThread::Run() {
  t_current = this;
  while (!stop_) {
    Turn(!has_work());
    closed_.clear();
  }
}

void IoThread::Turn(bool may_wait) {
  loop_.Turn(may_wait, [this] {
    RefreshClock();
    Drain();
  });
  RunAfterTurns();
  // What the commands of this turn have left for clients of this thread.
  if (inbox_bytes_.load(std::memory_order_relaxed) > 0) Drain();
  FlushDelivered();
}

void IoThread::PollOnce() {
  RunTasks();  // those behind the task that runs the script
  Turn(false);
}

void IoThread::StopAndJoin() {
  if (!thread_.joinable()) return;
  Post([this] { stop_ = true; });
  thread_.join();
}

void IoThread::Abandon() {
  std::vector<Task> dropped;
  {
    absl::MutexLock lock(&inbox_mutex_);
    abandoned_ = true;
    dropped.swap(inbox_);
  }
  dropped.clear();
  tasks_.clear();
  wakes_.Clear();
  to_deliver_.clear();
  to_flush_.clear();
  after_turns_.clear();
  loop_.Clear();
  closed_.clear();
  connections_.clear();
}

void IoThread::Post(Task task, size_t bytes) {
  bool wake = false;
  {
    absl::MutexLock lock(&inbox_mutex_);
    if (abandoned_) return;
    wake = inbox_.empty();
    inbox_.push_back(std::move(task));
    const size_t waiting = inbox_bytes_.load(std::memory_order_relaxed) + kTaskBytes + bytes;
    inbox_bytes_.store(waiting, std::memory_order_relaxed);
    if (inbox_.size() > kCongestedTasks || waiting > kCongestedBytes) {
      congested_.store(true, std::memory_order_relaxed);
    }
  }
  if (wake) loop_.Wake();
}

void IoThread::PostAfterReads(Task task) {
  Post([this, task = std::move(task)]() mutable {
    const int turns =
        kTurnsPerCommand + static_cast<int>(connections_.size()) / EventLoop::kMostEvents;
    after_turns_.push_back({turns, std::move(task)});
  });
}

void IoThread::RunAfterTurns() {
  for (AfterTurns& waiting : std::exchange(after_turns_, {})) {
    if (--waiting.turns > 0) {
      after_turns_.push_back(std::move(waiting));
    } else {
      waiting.task();
    }
  }
}

void IoThread::Drain() {
  {
    absl::MutexLock lock(&inbox_mutex_);
    std::move(inbox_.begin(), inbox_.end(), std::back_inserter(tasks_));
    inbox_.clear();
    inbox_bytes_.store(0, std::memory_order_relaxed);
    congested_.store(false, std::memory_order_relaxed);
  }
  RunTasks();
  subscriptions_->Settle();
}

// A task may run a script that serves the loop meanwhile: then this is called inside of itself and
// goes on where the outer one stands, so that tasks stay in order.
void IoThread::RunTasks() {
  while (!tasks_.empty()) {
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
  }
}

bool IoThread::overflowing() const {
  const OutputLimit& limit = server_.config().output_limits[kPubSubOutput];
  const auto most = static_cast<size_t>(limit.hard_bytes.load(std::memory_order_relaxed));
  return most != 0 &&
         inbox_bytes_.load(std::memory_order_relaxed) > std::max(most, kCongestedBytes);
}

void IoThread::AddConnection(std::shared_ptr<Connection> connection) {
  connections_.insert(std::move(connection));
}

void IoThread::RemoveConnection(Connection* connection) {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return;
  closed_.push_back(*found);
  connections_.erase(found);
}

void IoThread::ReadClock() {
  now_ms_ = UnixMillis();
  clock_until_ticks_ = NowTicks() + MicrosToTicks(kTimeOfDayValidUs);
  const Config& config = server_.config();
  const int64_t log_us = config.slowlog_log_slower_than_us.load(std::memory_order_relaxed);
  const int64_t monitor_ms = config.latency_monitor_threshold_ms.load(std::memory_order_relaxed);
  slow_ticks_ = UINT64_MAX;
  if (log_us >= 0) slow_ticks_ = MicrosToTicks(log_us);
  if (monitor_ms > 0) slow_ticks_ = std::min(slow_ticks_, MicrosToTicks(monitor_ms * 1000));
}

std::string IoThread::TakeReplyBuffer() { return std::exchange(spare_reply_buffer_, {}); }

void IoThread::ReturnReplyBuffer(std::string buffer) {
  if (buffer.capacity() > kLargestKeptReplyBuffer) return;
  buffer.clear();
  spare_reply_buffer_ = std::move(buffer);
}

ReadBuffer IoThread::TakeReadBuffer() {
  ReadBuffer buffer = std::move(spare_read_buffer_);
  buffer.Reserve(ReadBuffer::kBusyCapacity);
  return buffer;
}

void IoThread::ReturnReadBuffer(ReadBuffer buffer) {
  if (buffer.capacity() == ReadBuffer::kBusyCapacity) spare_read_buffer_ = std::move(buffer);
}

void IoThread::FlushLater(std::shared_ptr<Connection> connection) {
  to_flush_.push_back(std::move(connection));
}

void IoThread::DeliverLater(std::shared_ptr<MailboxDelivery> delivery) {
  to_deliver_.push_back(std::move(delivery));
}

void IoThread::ReleaseHeld() {
  std::vector<std::shared_ptr<Connection>> held;
  held.swap(held_);
  for (auto& connection : held) {
    if (connection->ReleaseHeld()) held_.push_back(std::move(connection));
  }
}

void IoThread::FlushDelivered() {
  if (to_deliver_.empty() && to_flush_.empty()) return;
  RefreshClock();
  // Exchanged with a vector that keeps its room from turn to turn.
  deliveries_.swap(to_deliver_);
  for (const auto& delivery : deliveries_) delivery->Deliver();
  deliveries_.clear();
  flushed_.swap(to_flush_);
  for (const auto& connection : flushed_) connection->FlushDelivered();
  flushed_.clear();
}

void IoThread::WithKeys(ShardMask shards, std::function<void(LockedKeys&)> work) {
  LockedKeys keys(server_.store(), UnixMillis());
  if (keys.Lock(shards, [this] { return server_.script_busy(); })) {
    work(keys);
    return;
  }
  StartTimer(kRetryKeys, [this, shards, work = std::move(work)] { WithKeys(shards, work); });
}

std::vector<std::shared_ptr<Connection>> IoThread::Connections() const {
  return {connections_.begin(), connections_.end()};
}

void IoThread::TickConnections(int64_t now_ms) {
  if (now_ms < next_tick_ms_) return;
  next_tick_ms_ = now_ms + kTickMs;
  for (const auto& connection : Connections()) connection->Tick(now_ms);
}

}  // namespace chorale
