// Begins the operations of one connection, one after the other or `pipeline` at a time, in a closed
// or an open loop, and measures them. What an operation is it leaves to Operations. Belongs to its
// loop's thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

#include "bench/load/connection.h"
#include "bench/load/flight.h"
#include "bench/load/loop.h"

namespace chorale::bench {

class Operations {
 public:
  enum class Step : uint8_t {
    kMore,    // the oldest operation goes on
    kDone,    // it has ended
    kFailed,  // it has ended with an error
  };

  virtual ~Operations() = default;

  // Appends the first command of an operation to the output.
  virtual void Begin(Connection& connection, int64_t intended) = 0;
  // Something has arrived: what became of the oldest operation. May append what it sends next.
  virtual Step OnReply(Connection& connection, const client::Value& value) = 0;
  // All that had arrived was handed out; what is appended is sent.
  virtual void OnInputEnd(Connection&) {}
  // How many operations may begin, where something beside their replies has to be waited for.
  virtual size_t Room() { return std::numeric_limits<size_t>::max(); }
  // Whether nothing is under way any more beside operations whose replies are missing.
  virtual bool Idle() const { return true; }
};

class Driver final : public Connection::Owner {
 public:
  Driver(Loop& loop, std::unique_ptr<Operations> operations, size_t pipeline)
      : connection(this), loop_(loop), operations_(std::move(operations)), flight_(pipeline) {}

  // A round begins. Of an open loop: with an operation at `first` and every `interval` nanoseconds.
  void Start(Round& round, int64_t first, double interval);
  // Begins what may begin.
  void Pump();

  void OnReply(Connection& connection, const client::Value& value) override;
  void OnInputEnd(Connection& connection) override;

  Connection connection;

 private:
  void Stop();

  Loop& loop_;
  const std::unique_ptr<Operations> operations_;
  Flight flight_;
  Round* round_ = nullptr;
  bool stopping_ = true;
  bool stopped_ = true;
};

}  // namespace chorale::bench
