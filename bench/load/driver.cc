#include "bench/load/driver.h"

#include <algorithm>

namespace chorale::bench {

void Driver::Start(Round& round, int64_t first, double interval) {
  round_ = &round;
  stopping_ = stopped_ = false;
  if (interval == 0) {
    flight_.StartClosed();
  } else {
    flight_.StartOpen(first, interval);
  }
}

void Driver::Pump() {
  if (stopped_) return;
  const int64_t now = loop_.now();
  if (!stopping_ && now >= round_->plan.end) Stop();
  if (!stopping_) {
    const size_t room = std::min(flight_.Startable(now), operations_->Room());
    const int64_t taken = room == 0 ? 0 : round_->Take(static_cast<int64_t>(room));
    for (int64_t i = 0; i < taken; ++i) operations_->Begin(connection, flight_.Begin(now));
    if (round_->exhausted()) Stop();
  }
  if (stopping_ && flight_.in_flight() == 0 && operations_->Idle()) {
    stopped_ = true;
    round_->DriverDone();
  }
}

void Driver::Stop() {
  stopping_ = true;
  // Ends as the round does: in the middle of a late server's backlog.
  if (loop_.measured()) loop_.not_begun += flight_.Due(std::min(loop_.now(), round_->plan.end - 1));
}

void Driver::OnReply(Connection& replying, const client::Value& value) {
  const Operations::Step step = operations_->OnReply(replying, value);
  if (step == Operations::Step::kMore) return;
  const int64_t begin = flight_.Finish();
  loop_.progress.Add(1);
  if (!loop_.measured()) return;
  loop_.operations.Add(1);
  loop_.latency.Record(loop_.now() - begin);
  if (step == Operations::Step::kDone) return;
  loop_.errors.Add(1);
  if (loop_.first_error.empty()) loop_.first_error = value.ToString();
}

void Driver::OnInputEnd(Connection& replying) {
  operations_->OnInputEnd(replying);
  Pump();
  // The loop sends what is in the output of the connection that has been read.
  if (&replying != &connection) loop_.Flush(connection);
}

}  // namespace chorale::bench
