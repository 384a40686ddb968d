// One thread of the broker: an event loop, and the inbox through which other threads reach it.
//
// Connections belong to one IoThread for life. Other threads never touch them: they Post() a
// closure, which runs on this thread in the order of posting. The thread is woken once however many
// closures wait. The inbox's lock is the last in the lock order (see storage/store.h): it may be
// taken with shards and the pub/sub registry held.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "broker/clock.h"
#include "broker/event_loop.h"
#include "broker/read_buffer.h"
#include "broker/wake_list.h"
#include "storage/locked_keys.h"

namespace chorale {

class Connection;
class MailboxDelivery;
class Server;
class LocalSubscriptions;
class ScriptEngine;

class IoThread {
 public:
  using Task = std::function<void()>;

  IoThread(Server& server, int index);
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  void Start();
  // Ends the loop when the turn is over, and waits for the thread.
  void StopAndJoin();
  // Lets go of all tasks and connections: before any IoThread is destroyed, because tasks refer to
  // others, and once all of them were joined. Tasks that are posted from here on are dropped.
  void Abandon();

  int index() const { return index_; }
  Server& server() { return server_; }
  // This thread only, or before Start.
  EventLoop& loop() { return loop_; }
  // The thread that runs the caller; nullptr outside the broker's threads.
  static IoThread* Current();

  // Any thread. Runs `task` on this thread, after all tasks posted before it. `bytes` is the size
  // of what the task carries, if that is worth counting.
  void Post(Task task, size_t bytes = 0);
  // Any thread. Runs `task` on this thread once what its clients had sent by now has been read and
  // run, as far as that is possible without waiting.
  void PostAfterReads(Task task);
  // Any thread. True when so much waits here that whoever posts more should wait himself.
  bool congested() const { return congested_.load(std::memory_order_relaxed); }
  // Any thread. True when the inbox holds more for subscribers than a subscriber's own queue may:
  // whoever cannot wait, a script or a transaction, gives up on them.
  bool overflowing() const;

  // ---- this thread only ----
  // Begins the timing of commands.
  void BeginCommands() {
    RefreshClock();
    lap_ticks_ = NowTicks();
  }
  // Reads the clock if what now_ms() says is old.
  void RefreshClock() {
    if (NowTicks() > clock_until_ticks_) ReadClock();
  }
  // Reads the time of day, and the options that every command would look at.
  void ReadClock();
  // Unix time, a fraction of a millisecond old at most; read anew when a command took long.
  int64_t now_ms() const { return now_ms_; }
  // Ends the timing of one command and begins the next; returns the ticks that it took.
  uint64_t Lap() {
    const uint64_t now = NowTicks();
    const uint64_t took = now - lap_ticks_;
    lap_ticks_ = now;
    if (now > clock_until_ticks_) [[unlikely]]
      ReadClock();
    return took;
  }
  // Commands that take as many ticks may concern the slow log or the latency monitor.
  uint64_t slow_ticks() const { return slow_ticks_; }
  // An empty buffer for the replies of one turn, with its capacity kept from turn to turn.
  std::string TakeReplyBuffer();
  void ReturnReplyBuffer(std::string buffer);
  // An empty buffer to read into, which all connections share that have nothing unread.
  ReadBuffer TakeReadBuffer();
  void ReturnReadBuffer(ReadBuffer buffer);
  // Sends what was delivered to the connection when the current turn ends.
  void FlushLater(std::shared_ptr<Connection> connection);
  // Brings what is in a mailbox to its owner when the current turn ends.
  void DeliverLater(std::shared_ptr<MailboxDelivery> delivery);
  // Whom the commands of this turn have to wake.
  WakeList& wakes() { return wakes_; }
  // The connection's output waits for the disk.
  void AwaitDisk(std::shared_ptr<Connection> connection) { held_.push_back(std::move(connection)); }
  // The journal has got further, or has failed.
  void ReleaseHeld();
  // The connections that live here, which the thread keeps alive from Start to Close.
  void AddConnection(std::shared_ptr<Connection> connection);
  void RemoveConnection(Connection* connection);
  [[nodiscard]] std::vector<std::shared_ptr<Connection>> Connections() const;
  // Called by the cron; looks at the connections once a second.
  void TickConnections(int64_t now_ms);
  // Runs `work` with the shards locked: now, or again and again later while a script that runs past
  // its time holds them. For what must be undone but not at once.
  void WithKeys(ShardMask shards, std::function<void(LockedKeys&)> work);
  ScriptEngine& scripts() { return *scripts_; }
  LocalSubscriptions& subscriptions() { return *subscriptions_; }
  // Runs `task` once, after that time.
  EventLoop::TimerId StartTimer(std::chrono::nanoseconds after, Task task) {
    return loop_.StartTimer(after, std::move(task));
  }
  // Serves the loop while a script holds this thread; see scripting.
  void PollOnce();

  // Connections that live here or are on their way; the listener compares threads by it.
  std::atomic<int> connections = 0;

 private:
  struct AfterTurns {
    int turns;
    Task task;
  };

  void Run();
  void Turn(bool may_wait);
  bool has_work() const {
    return !tasks_.empty() || !after_turns_.empty() || !to_deliver_.empty() || !to_flush_.empty();
  }
  void Drain();
  void RunTasks();
  void RunAfterTurns();
  void FlushDelivered();

  Server& server_;
  const int index_;
  EventLoop loop_;
  std::thread thread_;

  absl::Mutex inbox_mutex_;
  std::vector<Task> inbox_ ABSL_GUARDED_BY(inbox_mutex_);
  bool abandoned_ ABSL_GUARDED_BY(inbox_mutex_) = false;
  std::atomic<size_t> inbox_bytes_ = 0;  // written under the lock
  std::atomic<bool> congested_ = false;

  // This thread only.
  std::deque<Task> tasks_;  // taken from the inbox, not run yet
  bool stop_ = false;
  std::vector<AfterTurns> after_turns_;
  int64_t now_ms_ = 0;
  uint64_t clock_until_ticks_ = 0;
  uint64_t lap_ticks_ = 0;
  uint64_t slow_ticks_ = 0;
  std::string spare_reply_buffer_;
  ReadBuffer spare_read_buffer_;
  WakeList wakes_{*this};
  std::vector<std::shared_ptr<MailboxDelivery>> to_deliver_, deliveries_;
  std::vector<std::shared_ptr<Connection>> to_flush_, flushed_;
  std::vector<std::shared_ptr<Connection>> held_;
  absl::flat_hash_set<std::shared_ptr<Connection>> connections_;
  // Closed in this turn, which may still have to tell them of something.
  std::vector<std::shared_ptr<Connection>> closed_;
  int64_t next_tick_ms_ = 0;
  std::unique_ptr<LocalSubscriptions> subscriptions_;
  std::unique_ptr<ScriptEngine> scripts_;
};

}  // namespace chorale
