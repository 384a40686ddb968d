// group_send() of channels_redis's core layer, and the processes that receive.

#include <string>
#include <utility>
#include <vector>

#include "bench/load/workloads/channels_redis.h"
#include "bench/load/workloads/core.h"
#include "bench/load/workloads/core_receive.h"
#include "bench/load/workloads/group.h"
#include "bench/load/workloads/message.h"

namespace chorale::bench {
namespace {

using channels_redis::Process;
using channels_redis::Time;
using client::Value;
using client::Word;

// The EVAL of group_send(), whose bytes are made once: the messages to all processes are in it, and
// only their random prefixes, their stamps and the time at the end are others each time.
class GroupSendCommand {
 public:
  GroupSendCommand(const std::vector<Process>& processes, uint32_t value_size) {
    std::vector<Word> words = {"EVAL", channels_redis::kGroupSendScript, processes.size()};
    for (const Process& process : processes) words.emplace_back(process.queue);
    std::vector<std::string> messages;
    for (const Process& process : processes) {
      messages.push_back(kMark + EncodeMessageTo(value_size, process.channels));
    }
    words.insert(words.end(), messages.begin(), messages.end());
    words.insert(words.end(), processes.size(), channels_redis::kCapacity);
    words.insert(words.end(), {"time", channels_redis::kExpiry});
    client::AppendCommand(words, &bytes_);
    // The time is as long as it happens to be, so that the end is appended each time.
    bytes_.resize(bytes_.rfind("$4\r\ntime"));
    for (size_t at = bytes_.find(kMark); at != bytes_.npos; at = bytes_.find(kMark, at + 1)) {
      messages_.push_back(at);
    }
    stamp_at_ = kRandomPrefix + DataOffset(value_size);
  }

  void Append(Random& random, const Stamp& stamp, std::string* out) {
    for (const size_t at : messages_) {
      WriteRandomPrefix(random, bytes_.data() + at);
      WriteStamp(stamp, bytes_.data() + at + stamp_at_);
    }
    out->append(bytes_);
    const Time time = Time::Now();
    out->append("$").append(std::to_string(time.text().size())).append("\r\n");
    out->append(time.text()).append("\r\n$2\r\n60\r\n");
    static_assert(channels_redis::kExpiry == 60);
  }

 private:
  // Stands for the random prefix while the places of the messages are looked for.
  static constexpr std::string_view kMarkText = "\x01\x02\x03random\x03\x02\x01";
  static_assert(kMarkText.size() == kRandomPrefix);
  inline static const std::string kMark{kMarkText};

  std::string bytes_;
  std::vector<size_t> messages_;
  size_t stamp_at_ = 0;
};

class Sender final : public Operations {
 public:
  Sender(FanOut& fan_out, Random random, std::string_view group,
         const std::vector<Process>& processes, uint32_t value_size)
      : fan_out_(fan_out),
        random_(random),
        key_(channels_redis::GroupKey(group)),
        command_(processes, value_size) {
    for (const Process& process : processes) {
      queues_.push_back(process.queue);
      members_ += process.channels.size();
    }
  }

  size_t Room() override { return fan_out_.Room(); }
  bool Idle() const override { return fan_out_.Idle(); }

  void Begin(Connection& connection, int64_t intended) override {
    stamp_ = fan_out_.Begin(intended);
    connection.Append({"ZREMRANGEBYSCORE", key_, "0",
                       Time::Now().whole_seconds() - channels_redis::kGroupExpiry});
    state_ = State::kPruning;
    failed_ = false;
  }

  Step OnReply(Connection& connection, const Value& value) override {
    failed_ = failed_ || value.is_error();
    switch (state_) {
      case State::kPruning:
        if (failed_) break;
        connection.Append({"ZRANGE", key_, "0", "-1"});
        state_ = State::kListing;
        return Step::kMore;
      case State::kListing:
        if (failed_ || value.size() != members_) break;
        PruneQueues(connection);
        state_ = State::kPruningQueues;
        return Step::kMore;
      case State::kPruningQueues:
        if (--replies_missing_ > 0) return Step::kMore;
        if (failed_) break;
        command_.Append(random_, stamp_, &connection.output());
        state_ = State::kSending;
        return Step::kMore;
      case State::kSending:
        if (failed_) break;
        const auto over_capacity = static_cast<int>(value.integer());
        fan_out_.Replied(over_capacity);
        return over_capacity == 0 ? Step::kDone : Step::kFailed;
    }
    // Nobody will get a message that was not sent.
    fan_out_.Replied(fan_out_.receivers());
    return Step::kFailed;
  }

 private:
  enum class State : uint8_t { kPruning, kListing, kPruningQueues, kSending };

  // A pipeline of redis-py is a transaction.
  void PruneQueues(Connection& connection) {
    connection.Append({"MULTI"});
    const int64_t oldest = Time::Now().whole_seconds() - channels_redis::kExpiry;
    for (const std::string& queue : queues_) {
      connection.Append({"ZREMRANGEBYSCORE", queue, "0", oldest});
    }
    connection.Append({"EXEC"});
    replies_missing_ = queues_.size() + 2;
  }

  FanOut& fan_out_;
  Random random_;
  const std::string key_;
  GroupSendCommand command_;
  std::vector<std::string> queues_;
  size_t members_ = 0;
  Stamp stamp_;
  State state_ = State::kPruning;
  bool failed_ = false;
  size_t replies_missing_ = 0;
};

class CoreGroupSend final : public GroupWorkload {
 protected:
  class CoreReceiver final : public Receiver {
   public:
    CoreReceiver(Loop& loop, const Process& process, Senders& senders, uint32_t value_size)
        : Receiver(loop),
          receive_(process),
          senders_(senders),
          stamp_at_(kRandomPrefix + DataOffset(value_size)) {}

    absl::Status Join(std::string_view) override {
      receive_.Begin(connection);
      return absl::OkStatus();
    }

    void OnReply(Connection& replying, const Value& value) override {
      switch (receive_.OnReply(replying, value)) {
        case CoreReceive::Step::kMore:
          return;
        case CoreReceive::Step::kMessage:
          if (!Deliver(loop_, senders_, receive_.message(), stamp_at_)) break;
          return;
        case CoreReceive::Step::kDone:
          return receive_.Begin(replying);
        case CoreReceive::Step::kFailed:
          break;
      }
      loop_.Fail(absl::InternalError("a receiver got " + value.ToString()));
    }

   private:
    CoreReceive receive_;
    Senders& senders_;
    const size_t stamp_at_;
  };

  bool OneAtATime() const override { return true; }

  std::unique_ptr<Receiver> MakeReceiver(const Options& options, Loop& loop) override {
    processes_.emplace_back(random_, options.members);
    return std::make_unique<CoreReceiver>(loop, processes_.back(), senders_, options.value_size);
  }

  // As group_add() does. The times ascend, and so ZRANGE names the members in this order.
  absl::Status PrepareGroup(Bench& bench) override {
    const std::string key = channels_redis::GroupKey(group_);
    for (const Process& process : processes_) {
      for (const std::string& channel : process.channels) {
        absl::Status status = bench.control().Execute({"ZADD", key, Time::Now().text(), channel});
        if (status.ok()) {
          status = bench.control().Execute({"EXPIRE", key, channels_redis::kGroupExpiry});
        }
        if (!status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  std::unique_ptr<Operations> MakeSender(const Options& options, FanOut& fan_out) override {
    return std::make_unique<Sender>(fan_out, Random(random_.Next()), group_, processes_,
                                    options.value_size);
  }

 private:
  std::vector<Process> processes_;
};

}  // namespace

std::unique_ptr<Workload> MakeCoreGroupSend(const Options&) {
  return std::make_unique<CoreGroupSend>();
}

}  // namespace chorale::bench
