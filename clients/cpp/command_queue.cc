#include "clients/cpp/command_queue.h"

#include <utility>

namespace chorale::client {

ReplyHandler CommandQueue::TakeStreamed() {
  ReplyHandler handler = std::move(streamed_.front().handler);
  streamed_.pop_front();
  return handler;
}

void CommandQueue::AddWaiting(std::string_view command, Clock::time_point now,
                              ReplyHandler handler) {
  waiting_bytes_ += command;
  waiting_.push_back({std::move(handler), command.size(), now});
}

void CommandQueue::StreamWaiting(Link& link) {
  uint64_t begin = link.appended();
  for (Waiting& command : waiting_) {
    AddStreamed(begin, begin + command.bytes, false, std::move(command.handler));
    begin += command.bytes;
  }
  waiting_.clear();
  link.output() += std::exchange(waiting_bytes_, {});
}

std::vector<ReplyHandler> CommandQueue::Unstream(const Link& link, Clock::time_point now) {
  std::vector<ReplyHandler> lost;
  std::deque<Waiting> later = std::exchange(waiting_, {});
  const std::string later_bytes = std::exchange(waiting_bytes_, {});
  for (Streamed& command : streamed_) {
    if (command.bound || command.begin < link.written()) {
      lost.push_back(std::move(command.handler));
    } else {
      AddWaiting(link.Unwritten(command.begin, command.end), now, std::move(command.handler));
    }
  }
  streamed_.clear();
  for (Waiting& command : later) waiting_.push_back(std::move(command));
  waiting_bytes_ += later_bytes;
  return lost;
}

std::vector<ReplyHandler> CommandQueue::TakeWaiting(Clock::time_point since) {
  std::vector<ReplyHandler> taken;
  size_t bytes = 0;
  for (; !waiting_.empty() && waiting_.front().since <= since; waiting_.pop_front()) {
    bytes += waiting_.front().bytes;
    taken.push_back(std::move(waiting_.front().handler));
  }
  waiting_bytes_.erase(0, bytes);
  return taken;
}

}  // namespace chorale::client
