// What a thread waits with: descriptors that are ready, timers, and being woken by other threads.
//
// epoll, level-triggered: whoever is told that a descriptor is ready and does not take everything
// is told again in the next turn, so that nobody has to read until there is nothing left. That
// saves one system call in three beside Asio's reactor, which reads once more to find out
// (README.md has the figures). One thread's, but for Wake.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"

namespace chorale {

class EventLoop {
 public:
  using Task = std::function<void()>;

  // Whoever has a descriptor.
  class Watcher {
   public:
    // `events` are those that epoll has seen: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP. The watcher
    // may stop watching meanwhile, or close the descriptor, but has to live until the turn has
    // ended.
    virtual void OnReady(uint32_t events) = 0;

   protected:
    ~Watcher() = default;
  };

  // Names a timer for as long as it has not run.
  using TimerId = std::pair<int64_t, uint64_t>;

  // Throws std::system_error if the system has no descriptors left.
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Any thread. Ends the wait of the turn that is under way, or keeps the next one from waiting. A
  // system call only if the thread sleeps.
  void Wake();

  // ---- the loop's thread, or before it runs ----
  // Has `watcher` told of `events`, EPOLLIN and EPOLLOUT, in place of `before`: 0 for none, when
  // the descriptor is not watched at all and not even its end is seen. False if the system refuses.
  [[nodiscard]] bool Watch(int descriptor, uint32_t before, uint32_t events, Watcher& watcher);

  // Runs `task` once, when the time is over: never early, and up to a millisecond late.
  TimerId StartTimer(std::chrono::nanoseconds after, Task task);
  // Nothing happens if it has run.
  void CancelTimer(TimerId timer) { timers_.erase(timer); }

  // One turn: tells the watchers of what is ready, and runs the timers that are due. Waits for one
  // of them if `may_wait`. Before any of them is told, `awake` is called: what other threads have
  // left for this one comes first, because what a client sends may be the consequence of it. Turns
  // may nest, if the inner one does not wait.
  void Turn(bool may_wait, absl::FunctionRef<void()> awake);

  // How many descriptors one turn sees. Those that it did not see come first in the next.
  static constexpr int kMostEvents = 128;

  // Drops all timers.
  void Clear() { timers_.clear(); }

 private:
  enum class State : uint8_t { kAwake, kAsleep, kWoken };

  // Milliseconds, rounded up; -1 if there is no timer.
  int UntilNextTimer() const;
  void RunTimers();

  const int epoll_;
  const int wake_event_;
  std::atomic<State> state_ = State::kAwake;
  uint64_t next_timer_ = 0;
  absl::btree_map<TimerId, Task> timers_;
};

}  // namespace chorale
