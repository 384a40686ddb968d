// A run: the connections to the server, the threads that load it, and the stretches of load. The
// main thread's.

#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "bench/load/connection.h"
#include "bench/load/driver.h"
#include "bench/load/endpoint.h"
#include "bench/load/loop.h"
#include "bench/load/options.h"
#include "bench/load/result.h"
#include "bench/load/server_process.h"

namespace chorale::bench {

class Bench {
 public:
  // Connects `control`.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Bench>> Open(const Options& options);

  const Options& options() const { return options_; }
  const Endpoint& endpoint() const { return endpoint_; }
  // For preparing data; it takes no part in the load.
  Connection& control() { return control_; }

  // The loop that gets connection `number`: all in turn.
  Loop& loop(size_t number) { return *loops_[number % loops_.size()]; }
  // Makes a driver on that loop, of as many operations at a time as --pipeline says, or `depth`.
  // Its connection is not open yet.
  Driver& AddDriver(size_t number, std::unique_ptr<Operations> operations);
  Driver& AddDriver(size_t number, std::unique_ptr<Operations> operations, size_t depth);

  // Loads the server for so long or until so many operations have begun, and waits for their end.
  // What a measured round brings is added to the result.
  [[nodiscard]] absl::Status RunRound(int64_t nanoseconds, int64_t operations, bool measured);

  // The server's process now; none if no --server-pid was given.
  [[nodiscard]] absl::StatusOr<std::optional<ProcessFigures>> Server() const;
  // Adds what the server has used between the two.
  static void AddUse(const std::optional<ProcessFigures>& before,
                     const std::optional<ProcessFigures>& after, Result* result);

  // How long the last round took.
  int64_t last_round() const { return last_round_; }
  // With the counts of all loops.
  Result TakeResult();
  Result& result() { return result_; }
  // All that have ended so far, warm-up included.
  int64_t OperationsSoFar() const;

 private:
  Bench(const Options& options, const Endpoint& endpoint);

  void ShowProgress(const char* phase, double seconds) const;

  const Options options_;
  const Endpoint endpoint_;
  const bool shows_progress_;
  Connection control_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<std::unique_ptr<Driver>> drivers_;
  int64_t last_round_ = 0;
  Result result_;
};

}  // namespace chorale::bench
