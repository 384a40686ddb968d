// A group to which senders send, and receiving processes on any threads: what the group workloads
// of all layers, and PUBLISH to many subscribers, have in common.

#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/load/fan_out.h"
#include "bench/load/workload.h"

namespace chorale::bench {

class GroupWorkload : public Workload {
 public:
  absl::Status Prepare(Bench& bench) override;

 protected:
  using Senders = std::vector<std::unique_ptr<FanOut>>;

  // A receiver's connection, which its owner, this object, holds.
  class Receiver : public Connection::Owner {
   public:
    explicit Receiver(Loop& loop) : connection(this), loop_(loop) {}
    virtual ~Receiver() = default;

    // Makes it ready to receive.
    virtual absl::Status Join(std::string_view group) = 0;

    Connection connection;

   protected:
    Loop& loop_;
  };

  // How many connections send, and how many receive.
  virtual uint32_t SendersOf(const Options& options) const { return options.connections; }
  virtual uint32_t ReceiversOf(const Options& options) const { return options.processes; }
  // Whether a sender's operations follow one another, however many messages are under way.
  virtual bool OneAtATime() const { return false; }
  virtual std::unique_ptr<Receiver> MakeReceiver(const Options& options, Loop& loop) = 0;
  // After all receivers have joined.
  virtual absl::Status PrepareGroup(Bench&) { return absl::OkStatus(); }
  virtual std::unique_ptr<Operations> MakeSender(const Options& options, FanOut& fan_out) = 0;

  Random random_{std::random_device()()};
  std::string group_;  // another one in every run
  Senders senders_;

 private:
  absl::Status AddReceivers(Bench& bench);
  absl::Status AddSenders(Bench& bench);

  std::vector<std::unique_ptr<Receiver>> receivers_;
};

}  // namespace chorale::bench
