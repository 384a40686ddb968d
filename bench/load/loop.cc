#include "bench/load/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "bench/load/driver.h"

namespace chorale::bench {

Loop::Loop()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_event_, &wanted);
}

Loop::~Loop() {
  close(wake_event_);
  close(epoll_);
}

absl::Status Loop::Add(Connection& connection) {
  epoll_event wanted{};
  wanted.events = EPOLLIN | (connection.flushed() ? 0U : EPOLLOUT);
  wanted.data.ptr = &connection;
  connection.waits_for_room = !connection.flushed();
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.descriptor(), &wanted) != 0) {
    return ErrnoStatus("epoll_ctl");
  }
  return absl::OkStatus();
}

void Loop::Watch(Connection& connection, bool for_room) {
  epoll_event wanted{};
  wanted.events = EPOLLIN | (for_room ? EPOLLOUT : 0U);
  wanted.data.ptr = &connection;
  connection.waits_for_room = for_room;
  if (epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.descriptor(), &wanted) != 0) {
    Fail(ErrnoStatus("epoll_ctl"));
  }
}

void Loop::Wake() {
  const uint64_t one = 1;
  // It can only fail where it has been woken 2^64 times.
  [[maybe_unused]] const ssize_t written = write(wake_event_, &one, sizeof(one));
}

void Loop::Fail(const absl::Status& status) { round_->Fail(status); }

void Loop::Flush(Connection& connection) {
  if (!connection.is_open()) return;
  if (!connection.waits_for_room) {
    if (absl::Status status = connection.Flush(); !status.ok()) return Fail(status);
  }
  if (connection.flushed() == connection.waits_for_room) {
    Watch(connection, !connection.flushed());
  }
}

void Loop::Handle(Connection& connection, uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    if (absl::Status status = connection.Flush(); !status.ok()) return Fail(status);
  }
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
    if (absl::Status status = connection.Read(this); !status.ok()) return Fail(status);
  }
  Flush(connection);
}

void Loop::Start(size_t first_driver, size_t all_drivers) {
  measured_ = round_->plan.measured;
  past_end_ = false;
  // A thread that comes late begins something all the same.
  now_ = std::min(Now(), round_->plan.end - 1);
  // All drivers of all loops take turns; between two of this loop's lie those of the others.
  const double all = static_cast<double>(all_drivers);
  const double interval = round_->plan.rate > 0 ? all * 1e9 / round_->plan.rate : 0;
  tick_ = drivers_.empty() ? 0 : interval / static_cast<double>(drivers_.size());
  first_tick_ = round_->plan.begin +
                static_cast<int64_t>(interval * static_cast<double>(first_driver) / all / all);
  ticks_ = 0;
  for (size_t i = 0; i < drivers_.size(); ++i) {
    const auto first = first_tick_ + static_cast<int64_t>(tick_ * static_cast<double>(i));
    drivers_[i]->Start(*round_, first, interval);
  }
  if (tick_ == 0) PumpAll();
}

void Loop::Run(Round& round, size_t first_driver, size_t all_drivers) {
  // The kernel may otherwise be 50 us late with the next operation's time.
  prctl(PR_SET_TIMERSLACK, 1UL);
  const int64_t cpu_before = ThreadCpuTime();
  round_ = &round;
  Start(first_driver, all_drivers);
  while (!round.over()) {
    HandleEvents();
    BeginWhatIsDue();
    if (now_ >= round.plan.end && !past_end_) {
      past_end_ = true;
      PumpAll();
    }
    if (now_ >= round.plan.end + Round::kPatience) {
      Fail(absl::DeadlineExceededError("the server does not answer"));
    }
  }
  if (measured_) cpu_time += ThreadCpuTime() - cpu_before;
}

void Loop::HandleEvents() {
  std::array<epoll_event, 256> events;
  const int64_t left = std::max<int64_t>(NextEvent() - now_, 0);
  const timespec timeout{left / kSecond, left % kSecond};
  const int count = epoll_pwait2(epoll_, events.data(), events.size(), &timeout, nullptr);
  bool woken = false;
  for (int i = 0; i < count && !round_->over(); ++i) {
    if (events[i].data.ptr == nullptr) {
      woken = true;
    } else {
      Handle(*static_cast<Connection*>(events[i].data.ptr), events[i].events);
    }
  }
  // Reading has read the clock; here it must be now.
  if (count <= 0 || woken || tick_ > 0) ReadTheClock();
  if (!woken) return;
  uint64_t times = 0;
  [[maybe_unused]] const ssize_t bytes = read(wake_event_, &times, sizeof(times));
  PumpAll();
}

// When something has to be done even if nothing arrives.
int64_t Loop::NextEvent() const {
  if (past_end_) return round_->plan.end + Round::kPatience;
  if (tick_ == 0) return round_->plan.end;
  const auto tick = first_tick_ + static_cast<int64_t>(tick_ * static_cast<double>(ticks_));
  return std::min(tick, round_->plan.end);
}

void Loop::BeginWhatIsDue() {
  if (tick_ == 0 || past_end_) return;
  const auto due =
      static_cast<int64_t>(static_cast<double>(std::max<int64_t>(now_ - first_tick_, -1)) / tick_);
  const auto turns = static_cast<int64_t>(drivers_.size());
  // After a long wait each driver gets one turn, in which it begins all that is due.
  if (due - ticks_ > turns) ticks_ = due - turns + 1;
  for (; ticks_ <= due && now_ >= first_tick_; ++ticks_) {
    Driver& driver = *drivers_[static_cast<size_t>(ticks_ % turns)];
    driver.Pump();
    Flush(driver.connection);
  }
}

void Loop::PumpAll() {
  for (Driver* const driver : drivers_) {
    driver->Pump();
    Flush(driver->connection);
  }
}

}  // namespace chorale::bench
