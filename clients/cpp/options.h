// What a Connection is told when it is made: where the broker is, who the client is, what may take
// how long and how much.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "clients/cpp/reply_parser.h"

namespace chorale::client {

struct Address {
  std::string host = "127.0.0.1";  // a name or an address
  uint16_t port = 6379;
  std::string unix_path{};  // a Unix socket; if it is set, host and port do not count

  std::string ToString() const;  // "127.0.0.1:6379", "[::1]:6379", "/run/chorale.sock"
};

struct Options {
  using Duration = std::chrono::milliseconds;

  Address address{};
  std::string user = "default";
  std::optional<std::string> password{};  // none: no AUTH
  std::string name{};                     // as CLIENT LIST shows it; empty: none

  // For the connection and the reply to HELLO, and once more for Events::open.
  Duration connect_timeout{5000};
  // Between two attempts to connect, see Backoff.
  Duration first_delay{50};
  Duration longest_delay{5000};
  // The longest silence before the broker is sent a PING, which comes up to as much later, and the
  // time for its reply. 0: none. A broker that a command waits on, such as CHANNEL.RECEIVE with
  // BLOCK, does not answer PING meanwhile: give such a connection a time above the longest wait.
  Duration ping_after{15000};
  Duration ping_timeout{15000};
  // How long a command waits for a connection. 0: for ever.
  Duration unsent_timeout{30000};

  // Commands that have no reply yet, and bytes that the kernel has not taken yet.
  size_t max_commands = size_t{1} << 20;
  size_t max_unsent_bytes = size_t{64} << 20;
  ReplyLimits reply_limits{};
};

}  // namespace chorale::client
