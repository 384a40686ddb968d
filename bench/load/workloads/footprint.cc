#include "bench/load/workloads/footprint.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/load/workloads/command_template.h"
#include "bench/load/workloads/fill.h"

namespace chorale::bench {
namespace {

using client::Value;
using client::Word;

// Something that is done `count` times and then stays in the server's memory.
class Footprint : public Workload {
 public:
  absl::Status Prepare(Bench&) override { return absl::OkStatus(); }

  absl::Status Measure(Bench& bench) override {
    const absl::StatusOr<std::optional<ProcessFigures>> before = bench.Server();
    if (!before.ok()) return before.status();
    const int64_t begin = Now(), cpu_before = ThreadCpuTime();
    if (absl::Status status = Grow(bench); !status.ok()) return status;
    bench.result().nanoseconds = Now() - begin;
    bench.loop(0).cpu_time = ThreadCpuTime() - cpu_before;
    const absl::StatusOr<std::optional<ProcessFigures>> after = bench.Server();
    if (!after.ok()) return after.status();
    Bench::AddUse(*before, *after, &bench.result());
    if (*before) {
      const int64_t growth = (*after)->resident_bytes - (*before)->resident_bytes;
      bench.result().extras[name_] = static_cast<double>(growth) / static_cast<double>(parts_);
    }
    return Rest(bench);
  }

 protected:
  // `parts` of what is called `name` are made.
  Footprint(const char* name, int64_t parts) : name_(name), parts_(parts) {}

  virtual absl::Status Grow(Bench& bench) = 0;
  virtual absl::Status Rest(Bench&) { return absl::OkStatus(); }

 private:
  const char* const name_;
  const int64_t parts_;
};

// ---- connections ----

class Idle final : public Footprint {
 public:
  explicit Idle(const Options& options) : Footprint("bytes_per_connection", options.connections) {}

 protected:
  // Each is accepted, and has sent a command, before the next one comes.
  absl::Status Grow(Bench& bench) override {
    Loop& loop = bench.loop(0);
    for (uint32_t i = 0; i < bench.options().connections; ++i) {
      const int64_t begin = Now();
      connections_.push_back(std::make_unique<Connection>(nullptr));
      absl::Status status = connections_.back()->Open(bench.endpoint());
      if (status.ok()) status = connections_.back()->Execute({"PING"});
      if (!status.ok()) return status;
      loop.latency.Record(Now() - begin);
      loop.operations.Add(1);
    }
    return absl::OkStatus();
  }

  // What they cost while nothing happens, and whether they are still there.
  absl::Status Rest(Bench& bench) override {
    const absl::StatusOr<std::optional<ProcessFigures>> before = bench.Server();
    if (!before.ok()) return before.status();
    const int64_t begin = Now();
    std::this_thread::sleep_for(std::chrono::duration<double>(bench.options().seconds));
    const auto time = static_cast<double>(Now() - begin);
    const absl::StatusOr<std::optional<ProcessFigures>> after = bench.Server();
    if (!after.ok()) return after.status();
    if (*before) {
      const int64_t cpu = (*after)->cpu_nanoseconds - (*before)->cpu_nanoseconds;
      bench.result().extras["idle_cpu_share"] = static_cast<double>(cpu) / time;
    }
    for (const auto& connection : connections_) {
      if (absl::Status status = connection->Execute({"PING"}); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  std::vector<std::unique_ptr<Connection>> connections_;
};

// ---- keys ----

// Before anything is measured the server has run the same command, so that its buffers are there.
class Keys : public Footprint {
 public:
  absl::Status Prepare(Bench& bench) override {
    absl::Status status = Fill(bench.control(), kWarmUp, [&](int64_t i, std::string* out) {
      AppendKey("chorale-bench-warm-up:", i, out);
    });
    if (!status.ok()) return status;
    return FillElements(bench.control(), {"DEL"}, kWarmUp, [](int64_t i, auto* words) {
      words->push_back(Numbered("chorale-bench-warm-up:", i));
    });
  }

 protected:
  // The keys are numbered behind `prefix`.
  Keys(const char* name, std::string_view prefix, int64_t keys, int64_t parts)
      : Footprint(name, parts), prefix_(prefix), keys_(keys) {}

  virtual void AppendKey(std::string_view prefix, int64_t number, std::string* out) = 0;

  absl::Status Grow(Bench& bench) override {
    absl::Status status = Fill(bench.control(), keys_,
                               [&](int64_t i, std::string* out) { AppendKey(prefix_, i, out); });
    if (status.ok()) bench.loop(0).operations.Add(keys_);
    return status;
  }

 private:
  static constexpr int64_t kWarmUp = 1000;

  const std::string_view prefix_;
  const int64_t keys_;
};

class MemoryString final : public Keys {
 public:
  explicit MemoryString(const Options& options)
      : Keys("bytes_per_key", "key:", options.keys, options.keys),
        value_(options.value_size, 'x') {}

 protected:
  void AppendKey(std::string_view prefix, int64_t number, std::string* out) override {
    const std::string key = Numbered(prefix, number);
    const Word words[] = {"SET", key, value_};
    client::AppendCommand(words, out);
  }

 private:
  const std::string value_;
};

class MemorySortedSet final : public Keys {
 public:
  explicit MemorySortedSet(const Options& options)
      : Keys("bytes_per_member", "zset:", options.keys, int64_t{options.keys} * options.members) {
    for (uint32_t i = 0; i < options.members; ++i) members_.push_back(Numbered("element:", i));
  }

 protected:
  void AppendKey(std::string_view prefix, int64_t number, std::string* out) override {
    const std::string key = Numbered(prefix, number);
    Random scores(static_cast<uint64_t>(number));
    std::vector<Word> words = {"ZADD", key};
    for (const std::string& member : members_) {
      words.emplace_back(scores.Below(1'000'000'000));
      words.emplace_back(member);
    }
    client::AppendCommand(words, out);
  }

 private:
  std::vector<std::string> members_;
};

}  // namespace

std::unique_ptr<Workload> MakeIdle(const Options& options) {
  return std::make_unique<Idle>(options);
}

std::unique_ptr<Workload> MakeMemoryString(const Options& options) {
  return std::make_unique<MemoryString>(options);
}

std::unique_ptr<Workload> MakeMemorySortedSet(const Options& options) {
  return std::make_unique<MemorySortedSet>(options);
}

}  // namespace chorale::bench
