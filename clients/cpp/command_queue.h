// The commands that have no reply yet: first those in the stream of the present Link, in order,
// then those that wait for a connection. One connection's, one thread's.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "clients/cpp/connection.h"
#include "clients/cpp/link.h"

namespace chorale::client {

class CommandQueue {
 public:
  using Clock = std::chrono::steady_clock;

  size_t size() const { return streamed_.size() + waiting_.size(); }
  size_t waiting_bytes() const { return waiting_bytes_.size(); }
  bool streamed_empty() const { return streamed_.empty(); }
  bool waiting_empty() const { return waiting_.empty(); }
  Clock::time_point waiting_since() const { return waiting_.front().since; }

  // A command that lies between two places of the link's output. A bound one belongs to this
  // connection: it never waits for the next.
  void AddStreamed(uint64_t begin, uint64_t end, bool bound, ReplyHandler handler) {
    streamed_.push_back({std::move(handler), begin, end, bound});
  }
  // The handler of the command that a reply belongs to.
  ReplyHandler TakeStreamed();

  // A command that was encoded.
  void AddWaiting(std::string_view command, Clock::time_point now, ReplyHandler handler);

  // The connection is ready: what waits goes into its output.
  void StreamWaiting(Link& link);
  // The connection has ended: what it has not begun to write waits again. Returns the handlers of
  // the others, whose outcome is unknown.
  [[nodiscard]] std::vector<ReplyHandler> Unstream(const Link& link, Clock::time_point now);
  // Those that have waited since `since` or longer.
  [[nodiscard]] std::vector<ReplyHandler> TakeWaiting(Clock::time_point since);

 private:
  struct Streamed {
    ReplyHandler handler;
    uint64_t begin;
    uint64_t end;
    bool bound;
  };
  struct Waiting {
    ReplyHandler handler;
    size_t bytes;
    Clock::time_point since;
  };

  std::deque<Streamed> streamed_;
  std::deque<Waiting> waiting_;
  std::string waiting_bytes_;
};

}  // namespace chorale::client
