#include "bench/load/workloads/core_receive.h"

namespace chorale::bench {

CoreReceive::Step CoreReceive::OnReply(Connection& connection, const client::Value& value) {
  if (value.is_error()) return Step::kFailed;
  switch (state_) {
    case State::kRecovering:
      connection.Append({"BZPOPMIN", queue_, channels_redis::kReceiveTimeout});
      state_ = State::kWaiting;
      return Step::kMore;
    case State::kWaiting:
      if (value.is_null()) {
        Begin(connection);
        return Step::kMore;
      }
      message_ = value[1].text();
      connection.Append(
          {"ZADD", backup_, channels_redis::Time(value[2].number()).text(), message_});
      state_ = State::kBackingUp;
      return Step::kMessage;
    case State::kBackingUp:
      connection.Append({"ZPOPMIN", backup_});
      state_ = State::kCleaning;
      return Step::kMore;
    case State::kCleaning:
      return Step::kDone;
  }
  return Step::kFailed;
}

}  // namespace chorale::bench
