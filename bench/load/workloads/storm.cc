#include "bench/load/workloads/storm.h"

namespace chorale::bench {
namespace {

using client::Value;

class Visit final : public Operations {
 public:
  Visit(Loop& loop, const Endpoint& endpoint) : loop_(loop), endpoint_(endpoint) {}

  void Begin(Connection& connection, int64_t) override {
    greeted_ = false;
    absl::Status status = connection.Open(endpoint_, false);
    connection.Append({"HELLO", "3"});
    if (status.ok()) status = loop_.Add(connection);
    if (!status.ok()) loop_.Fail(status);
  }

  Step OnReply(Connection& connection, const Value& value) override {
    if (!value.is_error() && !greeted_) {
      greeted_ = true;
      connection.Append({"PING"});
      return Step::kMore;
    }
    connection.Close();
    return value.is_error() ? Step::kFailed : Step::kDone;
  }

 private:
  Loop& loop_;
  const Endpoint& endpoint_;
  bool greeted_ = false;
};

class Storm final : public Workload {
 public:
  absl::Status Prepare(Bench& bench) override {
    for (uint32_t i = 0; i < bench.options().connections; ++i) {
      bench.AddDriver(i, std::make_unique<Visit>(bench.loop(i), bench.endpoint()));
    }
    return absl::OkStatus();
  }
};

}  // namespace

std::unique_ptr<Workload> MakeStorm(const Options&) { return std::make_unique<Storm>(); }

}  // namespace chorale::bench
