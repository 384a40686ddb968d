#include "broker/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <system_error>

#include "broker/clock.h"

namespace chorale {
namespace {

constexpr int64_t kNanosPerMilli = 1'000'000;

int OrThrow(int descriptor, const char* what) {
  if (descriptor < 0) throw std::system_error(errno, std::system_category(), what);
  return descriptor;
}

}  // namespace

EventLoop::EventLoop()
    : epoll_(OrThrow(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wake_event_(OrThrow(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
  // The one descriptor without a watcher.
  epoll_event event{};
  event.events = EPOLLIN;
  OrThrow(::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_event_, &event), "epoll_ctl");
}

EventLoop::~EventLoop() {
  ::close(wake_event_);
  ::close(epoll_);
}

void EventLoop::Wake() {
  if (state_.exchange(State::kWoken, std::memory_order_acq_rel) != State::kAsleep) return;
  const uint64_t one = 1;
  (void)!::write(wake_event_, &one, sizeof(one));
}

bool EventLoop::Watch(int descriptor, uint32_t before, uint32_t events, Watcher& watcher) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  const int how = before == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  return ::epoll_ctl(epoll_, how, descriptor, &event) == 0;
}

EventLoop::TimerId EventLoop::StartTimer(std::chrono::nanoseconds after, Task task) {
  const int64_t now = MonotonicNanos();
  const int64_t longest = std::numeric_limits<int64_t>::max() - now;
  const TimerId id(now + std::min<int64_t>(after.count(), longest), next_timer_++);
  timers_.emplace(id, std::move(task));
  return id;
}

int EventLoop::UntilNextTimer() const {
  if (timers_.empty()) return -1;
  const int64_t left = timers_.begin()->first.first - MonotonicNanos();
  if (left <= 0) return 0;
  return static_cast<int>(std::min<int64_t>((left + kNanosPerMilli - 1) / kNanosPerMilli,
                                            std::numeric_limits<int>::max()));
}

void EventLoop::Turn(bool may_wait, absl::FunctionRef<void()> awake) {
  int timeout = 0;
  // Whoever wakes the thread from here on finds it asleep, and whoever has done so before keeps it
  // from falling asleep.
  State before = State::kAwake;
  if (may_wait && state_.compare_exchange_strong(before, State::kAsleep)) {
    timeout = UntilNextTimer();
  }
  std::array<epoll_event, kMostEvents> events;
  const int count = ::epoll_wait(epoll_, events.data(), kMostEvents, timeout);
  state_.exchange(State::kAwake, std::memory_order_acq_rel);
  awake();
  for (int i = 0; i < count; ++i) {
    if (events[i].data.ptr == nullptr) {
      uint64_t wakes = 0;
      (void)!::read(wake_event_, &wakes, sizeof(wakes));
    } else {
      static_cast<Watcher*>(events[i].data.ptr)->OnReady(events[i].events);
    }
  }
  RunTimers();
}

// Those that a timer starts run in a later turn.
void EventLoop::RunTimers() {
  if (timers_.empty()) return;
  const int64_t now = MonotonicNanos();
  const uint64_t first_new = next_timer_;
  while (!timers_.empty()) {
    const auto first = timers_.begin();
    if (first->first.first > now || first->first.second >= first_new) return;
    const Task task = std::move(first->second);
    timers_.erase(first);
    task();
  }
}

}  // namespace chorale
