// A socket to the server, and the replies that come out of it. What is appended to output() leaves
// in one write, one read brings as many replies as have arrived, and neither allocates in the
// steady state.
//
// It is made ready by blocking calls (Open, Ask); from Loop::Add on it belongs to that loop's
// thread.

#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "bench/load/endpoint.h"
#include "clients/cpp/command.h"
#include "clients/cpp/input_buffer.h"
#include "clients/cpp/reply_parser.h"
#include "clients/cpp/value.h"

namespace chorale::bench {

class Loop;

class Connection {
 public:
  // Who the replies are for. Called by Read() alone.
  class Owner {
   public:
    // A reply or a push; valid until it returns.
    virtual void OnReply(Connection& connection, const client::Value& value) = 0;
    // All that one read has brought was handed out. What is appended to the output is sent next.
    virtual void OnInputEnd(Connection&) {}

   protected:
    ~Owner() = default;
  };

  // `owner` may be null for a connection that only asks.
  explicit Connection(Owner* owner) : owner_(owner) {}
  ~Connection() { Close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Connects; with `wait` false it may take until later, and what is in the output is sent then.
  [[nodiscard]] absl::Status Open(const Endpoint& endpoint, bool wait = true);
  void Close();
  int descriptor() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }

  // Sends `commands`, waits for so many replies and gives each to `see`, pushes to the owner.
  using See = absl::FunctionRef<void(const client::Value&)>;
  [[nodiscard]] absl::Status Ask(std::string_view commands, size_t replies, See see);
  // The same with one command, whose reply must not be an error.
  [[nodiscard]] absl::Status Execute(std::span<const client::Word> words, See see);
  [[nodiscard]] absl::Status Execute(std::initializer_list<client::Word> words, See see);
  [[nodiscard]] absl::Status Execute(std::initializer_list<client::Word> words);

  std::string& output() { return output_; }
  void Append(std::initializer_list<client::Word> words) {
    client::AppendCommand({words.begin(), words.size()}, &output_);
  }

  // The loop's. Read takes what has arrived and hands it out; Flush sends what it can of the
  // output.
  [[nodiscard]] absl::Status Read(Loop* loop);
  [[nodiscard]] absl::Status Flush();
  bool flushed() const { return sent_ == output_.size(); }
  bool waits_for_room = false;

 private:
  absl::Status ReadOnce(bool* closed);
  absl::Status WaitFor(short events);
  absl::Status BadReply() const;

  Owner* const owner_;
  int descriptor_ = -1;
  client::InputBuffer input_;
  client::ReplyParser parser_;
  size_t wanted_ = 1;
  std::string output_;
  size_t sent_ = 0;
};

}  // namespace chorale::bench
