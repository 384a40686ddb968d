#include "bench/load/workloads/plain.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "bench/load/workloads/command_template.h"
#include "bench/load/workloads/fill.h"

namespace chorale::bench {
namespace {

using client::Value;
using client::Word;

constexpr const char* kKey = "key:000000000000";
constexpr const char* kElement = "element:000000000000";
constexpr size_t kMsetKeys = 10;
// What a list grows to, or shrinks from, before it is made anew, and how many bytes at most.
constexpr int64_t kListElements = 250'000;
constexpr int64_t kListBytes = int64_t{64} << 20;

// What a workload does, and what it needs to find.
enum class Data : uint8_t { kAny, kKeys, kEmptyList, kFullList, kFullSortedSet };

struct Plan {
  std::vector<CommandTemplate> commands;  // in turn
  Data data = Data::kAny;
};

Plan MakePlan(const Options& options) {
  const std::string value(options.value_size, 'x');
  const std::string_view name = options.workload;
  const auto one = [](std::vector<Word> words, Data data = Data::kAny) {
    return Plan{{CommandTemplate(words)}, data};
  };
  if (name == "ping") return one({"PING"});
  if (name == "get") return one({"GET", kKey}, Data::kKeys);
  if (name == "set") return one({"SET", kKey, value});
  if (name == "incr") return one({"INCR", "counter:000000000000"});
  if (name == "lpush") return one({"LPUSH", "mylist", value}, Data::kEmptyList);
  if (name == "sadd") return one({"SADD", "myset", kElement});
  if (name == "hset") return one({"HSET", "myhash", kElement, value});
  if (name == "zadd") return one({"ZADD", "myzset", CommandTemplate::kNumber, kElement});
  if (name == "rpop") return one({"RPOP", "mylist"}, Data::kFullList);
  if (name == "zpopmin") return one({"ZPOPMIN", "myzset"}, Data::kFullSortedSet);
  if (name == "lpush_rpop") {
    return {{CommandTemplate({"LPUSH", "mylist", value}), CommandTemplate({"RPOP", "mylist"})}};
  }
  std::vector<Word> mset = {"MSET"};
  for (size_t i = 0; i < kMsetKeys; ++i) mset.insert(mset.end(), {kKey, value});
  return one(mset);
}

class PlainOperations final : public Operations {
 public:
  PlainOperations(const Plan& plan, KeyChoice choice) : plan_(plan), choice_(std::move(choice)) {}

  void Begin(Connection& connection, int64_t) override {
    plan_.commands[turn_].Append([this] { return choice_.Next(); }, &connection.output());
    if (++turn_ == plan_.commands.size()) turn_ = 0;
  }

  Step OnReply(Connection&, const Value& value) override {
    if (value.is_error()) return Step::kFailed;
    // There is always something to get and to pop.
    const bool nothing = value.is_null() || (value.is_aggregate() && value.size() == 0);
    return nothing ? Step::kFailed : Step::kDone;
  }

 private:
  const Plan plan_;
  KeyChoice choice_;
  size_t turn_ = 0;
};

class Plain final : public Workload {
 public:
  explicit Plain(const Options& options) : plan_(MakePlan(options)) {
    const int64_t fitting = kListBytes / (options.value_size + 16);
    list_elements_ = std::min(kListElements, fitting);
    value_ = std::string(options.value_size, 'x');
    sorted_set_elements_ = options.keys;
  }

  absl::Status Prepare(Bench& bench) override;

 protected:
  int64_t OperationsPerRound() const override;
  absl::Status BeforeRound(Bench& bench) override;

 private:
  const Plan plan_;
  std::string value_;
  int64_t list_elements_ = 0;
  int64_t sorted_set_elements_ = 0;
};

absl::Status Plain::Prepare(Bench& bench) {
  const Options& options = bench.options();
  if (plan_.data == Data::kKeys) {
    absl::Status status =
        FillElements(bench.control(), {"MSET"}, options.keys, [&](int64_t i, auto* words) {
          words->push_back(Numbered("key:", i));
          words->push_back(value_);
        });
    if (!status.ok()) return status;
  }
  for (uint32_t i = 0; i < options.connections; ++i) {
    KeyChoice choice(options.distribution, options.keys, i + 1);
    Driver& driver =
        bench.AddDriver(i, std::make_unique<PlainOperations>(plan_, std::move(choice)));
    absl::Status status = driver.connection.Open(bench.endpoint());
    if (status.ok()) status = bench.loop(i).Add(driver.connection);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

int64_t Plain::OperationsPerRound() const {
  switch (plan_.data) {
    case Data::kEmptyList:
    case Data::kFullList:
      return list_elements_;
    case Data::kFullSortedSet:
      return sorted_set_elements_;
    default:
      return Workload::OperationsPerRound();
  }
}

absl::Status Plain::BeforeRound(Bench& bench) {
  Connection& control = bench.control();
  absl::Status status;
  switch (plan_.data) {
    case Data::kEmptyList:
      return control.Execute({"DEL", "mylist"});
    case Data::kFullList:
      status = control.Execute({"DEL", "mylist"});
      if (!status.ok()) return status;
      return FillElements(control, {"LPUSH", "mylist"}, list_elements_,
                          [&](int64_t, auto* words) { words->push_back(value_); });
    case Data::kFullSortedSet:
      status = control.Execute({"DEL", "myzset"});
      if (!status.ok()) return status;
      return FillElements(control, {"ZADD", "myzset"}, sorted_set_elements_,
                          [&](int64_t i, auto* words) {
                            words->push_back(std::to_string(Random(i).Below(1'000'000'000)));
                            words->push_back(Numbered("element:", i));
                          });
    default:
      return absl::OkStatus();
  }
}

}  // namespace

std::unique_ptr<Workload> MakePlain(const Options& options) {
  return std::make_unique<Plain>(options);
}

}  // namespace chorale::bench
