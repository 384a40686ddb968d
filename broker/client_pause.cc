#include "broker/client_pause.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "broker/clock.h"
#include "broker/connection.h"
#include "broker/dispatch.h"
#include "broker/io_thread.h"

namespace chorale {
namespace {

constexpr int64_t kNanosPerMilli = 1000000;

}  // namespace

void ClientPause::Begin(Mode mode, IoThread& thread, int64_t duration_ms) {
  constexpr int64_t kLongestMs = std::numeric_limits<int64_t>::max() / (4 * kNanosPerMilli);
  duration_ms = std::min(duration_ms, kLongestMs);
  {
    absl::MutexLock lock(&mutex_);
    mode_ = std::max(mode_.load(), mode);
    until_ns_ = std::max(until_ns_, MonotonicNanos() + duration_ms * kNanosPerMilli);
  }
  EndAfter(thread, duration_ms);
}

void ClientPause::Begin(Mode mode) {
  absl::MutexLock lock(&mutex_);
  mode_ = std::max(mode_.load(), mode);
}

void ClientPause::EndAfter(IoThread& thread, int64_t duration_ms) {
  thread.StartTimer(std::chrono::milliseconds(duration_ms), [this] {
    {
      absl::MutexLock lock(&mutex_);
      // It was made longer; that request has a timer of its own.
      if (MonotonicNanos() < until_ns_) return;
    }
    End();
  });
}

void ClientPause::End() {
  absl::MutexLock lock(&mutex_);
  mode_ = Mode::kNone;
  until_ns_ = 0;
  for (const auto& [id, waiting] : std::exchange(waiting_, {})) {
    waiting->thread->Post([info = waiting] {
      if (const auto connection = info->connection.lock()) connection->Resume();
    });
  }
}

void ClientPause::Forget(const ClientInfo& client) {
  absl::MutexLock lock(&mutex_);
  waiting_.erase(client.id);
}

bool ClientPause::Holds(const Command& command, Client& client) {
  absl::MutexLock lock(&mutex_);
  const Mode mode = mode_;
  if (mode == Mode::kNone || (mode == Mode::kWrites && !RunsAny(writes_, command, client)))
    return false;
  waiting_.emplace(client.info->id, client.info);
  client.connection.Postpone();
  return true;
}

}  // namespace chorale
