#include "bench/load/connection.h"

#include <absl/strings/str_cat.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "bench/load/loop.h"

namespace chorale::bench {
namespace {

using client::ReplyParser;
using client::Value;
using client::Word;

// How long a blocking call waits for the server.
constexpr int kPatienceMilliseconds = 10'000;
// An output that grew beyond this is given back when it was sent.
constexpr size_t kLargestKeptOutput = 4 << 20;

}  // namespace

absl::Status Connection::Open(const Endpoint& endpoint, bool wait) {
  const absl::StatusOr<int> descriptor = endpoint.Connect(wait);
  if (!descriptor.ok()) return descriptor.status();
  descriptor_ = *descriptor;
  return absl::OkStatus();
}

void Connection::Close() {
  if (descriptor_ >= 0) close(descriptor_);
  descriptor_ = -1;
  input_.Consume(input_.unread().size());
  parser_.Reset();
  wanted_ = 1;
  output_.clear();
  sent_ = 0;
  waits_for_room = false;
}

// ---- blocking ----

absl::Status Connection::WaitFor(short events) {
  pollfd wanted{descriptor_, events, 0};
  const int ready = poll(&wanted, 1, kPatienceMilliseconds);
  if (ready > 0) return absl::OkStatus();
  if (ready < 0) return ErrnoStatus("poll");
  return absl::DeadlineExceededError("the server does not answer");
}

absl::Status Connection::Ask(std::string_view commands, size_t replies, See see) {
  output_.append(commands);
  while (replies > 0) {
    if (absl::Status status = Flush(); !status.ok()) return status;
    if (absl::Status status = WaitFor(flushed() ? POLLIN : POLLIN | POLLOUT); !status.ok()) {
      return status;
    }
    bool closed = false;
    if (absl::Status status = ReadOnce(&closed); !status.ok()) return status;
    while (replies > 0) {
      const ReplyParser::Result result = parser_.Parse(input_.unread());
      if (result == ReplyParser::Result::kError) return BadReply();
      if (result == ReplyParser::Result::kNeedMore) break;
      const Value value = parser_.value();
      if (value.type() == client::Type::kPush && owner_ != nullptr) {
        owner_->OnReply(*this, value);
      } else {
        see(value);
        --replies;
      }
      input_.Consume(parser_.reply_size());
    }
    wanted_ = parser_.bytes_wanted();
    if (closed && replies > 0) return absl::UnavailableError("the server closed the connection");
  }
  return absl::OkStatus();
}

absl::Status Connection::Execute(std::span<const Word> words, See see) {
  std::string command;
  client::AppendCommand(words, &command);
  std::string error;
  absl::Status status = Ask(command, 1, [&](const Value& value) {
    if (value.is_error()) error = value.text();
    see(value);
  });
  if (!status.ok() || error.empty()) return status;
  const std::string_view name = words.front().text();
  return absl::FailedPreconditionError(
      absl::StrCat(absl::string_view(name.data(), name.size()), ": ", error));
}

absl::Status Connection::Execute(std::initializer_list<Word> words, See see) {
  return Execute(std::span<const Word>(words.begin(), words.size()), see);
}

absl::Status Connection::Execute(std::initializer_list<Word> words) {
  return Execute(words, [](const Value&) {});
}

// ---- both ----

absl::Status Connection::ReadOnce(bool* closed) {
  input_.Prepare(wanted_);
  const ssize_t bytes = recv(descriptor_, input_.tail(), input_.room(), MSG_DONTWAIT);
  *closed = bytes == 0;
  if (bytes > 0) {
    input_.Commit(static_cast<size_t>(bytes));
  } else if (bytes < 0 && errno != EAGAIN && errno != EINTR) {
    return ErrnoStatus("the connection broke");
  }
  return absl::OkStatus();
}

absl::Status Connection::Flush() {
  if (flushed()) return absl::OkStatus();
  const ssize_t bytes = send(descriptor_, output_.data() + sent_, output_.size() - sent_,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
  if (bytes < 0) {
    if (errno == EAGAIN || errno == EINTR) return absl::OkStatus();
    return ErrnoStatus("the connection broke");
  }
  sent_ += static_cast<size_t>(bytes);
  if (!flushed()) return absl::OkStatus();
  if (output_.capacity() > kLargestKeptOutput) output_ = {};
  output_.clear();
  sent_ = 0;
  return absl::OkStatus();
}

absl::Status Connection::BadReply() const {
  const std::string_view error = parser_.error();
  return absl::DataLossError(
      absl::StrCat("a reply that is none: ", absl::string_view(error.data(), error.size())));
}

// ---- the loop's ----

absl::Status Connection::Read(Loop* loop) {
  bool closed = false;
  if (absl::Status status = ReadOnce(&closed); !status.ok()) return status;
  if (closed) return absl::UnavailableError("the server closed the connection");
  loop->ReadTheClock();
  while (is_open()) {
    const ReplyParser::Result result = parser_.Parse(input_.unread());
    if (result == ReplyParser::Result::kError) return BadReply();
    if (result == ReplyParser::Result::kNeedMore) break;
    owner_->OnReply(*this, parser_.value());
    if (!is_open()) break;
    input_.Consume(parser_.reply_size());
  }
  wanted_ = parser_.bytes_wanted();
  owner_->OnInputEnd(*this);
  return absl::OkStatus();
}

}  // namespace chorale::bench
