// What a layer promises about its messages and memberships.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace chorale {

// Counted in messages that were sent and not yet consumed by the application.
enum class CapacityScope : uint8_t {
  kMailbox,  // of all process-specific channels of a mailbox together, as the specification says
  kChannel,  // of each channel by itself
};

struct LayerPolicy {
  // The capacity of channels whose name matches a glob pattern.
  struct Exception {
    std::string pattern;
    int64_t capacity;
    bool operator==(const Exception&) const = default;
  };

  int64_t expiry_ms = 60'000;            // of a message that nobody has received
  int64_t group_expiry_ms = 86'400'000;  // of a membership, after the latest GROUP.ADD
  int64_t grace_ms = 60'000;             // how long a mailbox waits for its owner to come back
  int64_t capacity = 100;
  CapacityScope scope = CapacityScope::kMailbox;
  std::vector<Exception> exceptions;

  bool operator==(const LayerPolicy&) const = default;
  // That of the first pattern that matches, or the general one. For the mailbox scope the name is
  // that of the mailbox.
  [[nodiscard]] int64_t CapacityOf(std::string_view name) const;
};

}  // namespace chorale
