#include "broker/io_thread.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
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

// A round of the loop looks at the sockets and runs the reads that were ready. It sees this many
// sockets at once,
constexpr int kSocketsPerRound = 128;
// and a large command is read in several.
constexpr int kRoundsPerCommand = 16;

thread_local IoThread* t_current = nullptr;

}  // namespace

IoThread::IoThread(Server& server, int index)
    : server_(server),
      index_(index),
      io_(std::make_unique<boost::asio::io_context>(1)),
      subscriptions_(std::make_unique<LocalSubscriptions>()),
      scripts_(std::make_unique<ScriptEngine>(server.script_cache())) {}

IoThread::~IoThread() = default;

IoThread* IoThread::Current() { return t_current; }

void IoThread::Start() {
  thread_ = std::thread([this] { Run(); });
}

void IoThread::Run() {
  t_current = this;
  const auto work = boost::asio::make_work_guard(*io_);
  io_->run();
}

void IoThread::StopAndJoin() {
  if (!thread_.joinable()) return;
  boost::asio::post(*io_, [this] { io_->stop(); });
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
  connections_.clear();
  io_.reset();
}

// Asio counts the work that a handler posts when that handler has returned, but PollOnce runs it
// before, and a loop whose count comes to nothing ends. So every handler that is run here is
// counted once more until the one that runs the script has returned.
void IoThread::PollOnce() {
  polling_ = true;
  if (!tasks_.empty()) Drain();  // those behind the task that runs the script
  io_->get_executor().on_work_started();
  if (io_->poll_one() > 0) {
    ++polled_;
  } else {
    io_->get_executor().on_work_finished();
  }
  polling_ = false;
}

void IoThread::EndPolling() {
  boost::asio::post(*io_, [this] {
    if (polling_) return;  // by another script of the same handler, which ends here too
    for (; polled_ > 0; --polled_) io_->get_executor().on_work_finished();
  });
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
  if (wake) boost::asio::post(*io_, [this] { Drain(); });
}

void IoThread::PostAfterReads(Task task) {
  Post([this, task = std::move(task)]() mutable {
    const int rounds = kRoundsPerCommand + static_cast<int>(connections_.size()) / kSocketsPerRound;
    RunAfterRounds(rounds, std::move(task));
  });
}

void IoThread::RunAfterRounds(int rounds, Task task) {
  if (rounds == 0) {
    task();
    return;
  }
  boost::asio::post(*io_, [this, rounds, task = std::move(task)]() mutable {
    RunAfterRounds(rounds - 1, std::move(task));
  });
}

// A task may run a script that serves the loop meanwhile: then Drain is called inside of Drain and
// goes on where the outer one stands, so that tasks stay in order.
void IoThread::Drain() {
  {
    absl::MutexLock lock(&inbox_mutex_);
    std::move(inbox_.begin(), inbox_.end(), std::back_inserter(tasks_));
    inbox_.clear();
    inbox_bytes_.store(0, std::memory_order_relaxed);
    congested_.store(false, std::memory_order_relaxed);
  }
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

void IoThread::RemoveConnection(Connection* connection) { connections_.erase(connection); }

void IoThread::BeginTurn() {
  now_ms_ = UnixMillis();
  lap_ticks_ = NowTicks();
  turn_until_ticks_ = lap_ticks_ + MicrosToTicks(kTimeOfDayValidUs);
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

void IoThread::FlushLater(std::shared_ptr<Connection> connection) {
  to_flush_.push_back(std::move(connection));
  ScheduleFlush();
}

void IoThread::DeliverLater(std::shared_ptr<MailboxDelivery> delivery) {
  to_deliver_.push_back(std::move(delivery));
  ScheduleFlush();
}

void IoThread::ScheduleFlush() {
  if (std::exchange(flush_scheduled_, true)) return;
  boost::asio::post(*io_, [this] { FlushDelivered(); });
}

void IoThread::ReleaseHeld() {
  std::vector<std::shared_ptr<Connection>> held;
  held.swap(held_);
  for (auto& connection : held) {
    if (connection->ReleaseHeld()) held_.push_back(std::move(connection));
  }
}

void IoThread::FlushDelivered() {
  flush_scheduled_ = false;
  BeginTurn();
  const auto deliveries = std::exchange(to_deliver_, {});
  const auto connections = std::exchange(to_flush_, {});
  for (const auto& delivery : deliveries) delivery->Deliver();
  for (const auto& connection : connections) connection->FlushDelivered();
}

void IoThread::WithKeys(ShardMask shards, std::function<void(LockedKeys&)> work) {
  LockedKeys keys(server_.store(), UnixMillis());
  if (keys.Lock(shards, [this] { return server_.script_busy(); })) {
    work(keys);
    return;
  }
  auto retry = std::make_shared<boost::asio::steady_timer>(*io_, kRetryKeys);
  retry->async_wait([this, shards, retry, work = std::move(work)](const auto& error) {
    if (!error) WithKeys(shards, work);
  });
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
