// A mailbox of the native layer (protocol/README.md) as its owner sees it: it reads the events and
// acknowledges them as channels_chorale does, 20 ms after they have come or when a quarter of the
// capacity was consumed.

#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/load/connection.h"

namespace chorale::bench {

constexpr std::string_view kLayer = "bench";

// Gives the layer its policy. Its capacity is far above what is under way: the server may learn
// late of what was consumed, and that is not to count as an error.
[[nodiscard]] absl::Status SetLayer(Connection& control);

class Mailbox {
 public:
  explicit Mailbox(std::string name) : name_(std::move(name)) {}

  // Blocks. The connection has said HELLO 3.
  [[nodiscard]] absl::Status Open(Connection& connection);

  // A push: the message, if it has one; a view into it.
  std::string_view OnPush(const client::Value& push);
  // Appends an acknowledgement if it is time.
  void AcknowledgeIfDue(Connection& connection, int64_t now);

  const std::string& name() const { return name_; }

 private:
  const std::string name_;
  int64_t epoch_ = 0;
  int64_t number_ = 0;  // of the last event
  int64_t consumed_ = 0;
  int64_t acknowledged_number_ = 0;
  int64_t acknowledged_consumed_ = 0;
  int64_t acknowledged_at_ = 0;
};

}  // namespace chorale::bench
