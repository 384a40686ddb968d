// How a process of channels_redis's core layer takes a message from its queue: the recovery script,
// BZPOPMIN until there is one, a backup copy, and the end of that.

#pragma once

#include <cstdint>
#include <string_view>

#include "bench/load/connection.h"
#include "bench/load/workloads/channels_redis.h"

namespace chorale::bench {

class CoreReceive {
 public:
  enum class Step : uint8_t { kMore, kMessage, kDone, kFailed };

  explicit CoreReceive(const channels_redis::Process& process)
      : queue_(process.queue), backup_(process.backup) {}

  void Begin(Connection& connection) {
    connection.Append({"EVAL", channels_redis::kRecoveryScript, "0", queue_, backup_});
    state_ = State::kRecovering;
  }

  // kMessage: message() is valid until this returns to the connection, and the receive goes on.
  Step OnReply(Connection& connection, const client::Value& value);
  std::string_view message() const { return message_; }

 private:
  enum class State : uint8_t { kRecovering, kWaiting, kBackingUp, kCleaning };

  const std::string queue_;
  const std::string backup_;
  State state_ = State::kRecovering;
  std::string_view message_;
};

}  // namespace chorale::bench
