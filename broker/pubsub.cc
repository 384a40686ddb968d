#include "broker/pubsub.h"

#include <algorithm>
#include <utility>

#include "broker/connection.h"
#include "broker/io_thread.h"
#include "protocol/reply_writer.h"
#include "storage/glob.h"

namespace chorale {
namespace {

// A batch that has grown to this is settled: output limits look at what has been appended.
constexpr size_t kBatchBytes = 64 << 10;

void AppendMessage(SubscriptionKind kind, std::string_view name, std::string_view channel,
                   std::string_view message, int protocol, std::string& out) {
  ReplyWriter writer(&out, protocol);
  writer.PushHeader(kind == SubscriptionKind::kPattern ? 4 : 3);
  switch (kind) {
    case SubscriptionKind::kChannel:
      writer.Bulk("message");
      break;
    case SubscriptionKind::kPattern:
      writer.Bulk("pmessage");
      writer.Bulk(name);
      break;
    case SubscriptionKind::kShardChannel:
      writer.Bulk("smessage");
      break;
  }
  writer.Bulk(channel);
  writer.Bulk(message);
}

}  // namespace

// Messages for the subscribers of one name, encoded as these want them.
class LocalSubscriptions::Batch {
 public:
  void Begin(SubscriptionKind kind, std::string_view name,
             const std::vector<Connection*>& subscribers) {
    kind_ = kind;
    name_ = name;
    subscribers_ = &subscribers;
    resp2_.wanted = resp3_.wanted = false;
    for (const Connection* connection : subscribers) EncodedFor(*connection).Want();
  }
  bool IsFor(SubscriptionKind kind, std::string_view name) const {
    return kind == kind_ && name == name_;
  }
  // Returns the bytes of the largest frame.
  size_t Append(std::string_view channel, std::string_view message) {
    size_t largest = 0;
    for (const Encoded* encoded : {&resp2_, &resp3_}) {
      if (!encoded->wanted) continue;
      AppendMessage(kind_, name_, channel, message, encoded->protocol, *encoded->frame);
      largest = std::max(largest, encoded->frame->size());
    }
    return largest;
  }
  void Settle() {
    for (Connection* connection : *subscribers_) {
      connection->Deliver(EncodedFor(*connection).frame);
    }
    for (Encoded* encoded : {&resp2_, &resp3_}) {
      if (encoded->wanted && encoded->frame->size() >= kBatchBytes) encoded->frame = nullptr;
    }
  }

 private:
  struct Encoded {
    int protocol;
    bool wanted = false;
    // Kept for its room, and used again if no client's output refers to it any more.
    std::shared_ptr<std::string> frame = nullptr;

    void Want() {
      if (std::exchange(wanted, true)) return;
      if (frame == nullptr || frame.use_count() > 1) frame = std::make_shared<std::string>();
      frame->clear();
    }
  };

  Encoded& EncodedFor(const Connection& connection) {
    return connection.client().protocol >= 3 ? resp3_ : resp2_;
  }

  SubscriptionKind kind_ = SubscriptionKind::kChannel;
  std::string name_;
  const std::vector<Connection*>* subscribers_ = nullptr;
  Encoded resp2_{2}, resp3_{3};
};

LocalSubscriptions::LocalSubscriptions() : batch_(std::make_unique<Batch>()) {}
LocalSubscriptions::~LocalSubscriptions() = default;

void LocalSubscriptions::Add(SubscriptionKind kind, std::string_view name, Connection* connection) {
  Settle();
  map(kind)[std::string(name)].push_back(connection);
}

void LocalSubscriptions::Remove(SubscriptionKind kind, std::string_view name,
                                Connection* connection) {
  Settle();
  auto& subscribers = map(kind);
  const auto found = subscribers.find(name);
  if (found == subscribers.end()) return;
  std::erase(found->second, connection);
  if (found->second.empty()) subscribers.erase(found);
}

void LocalSubscriptions::Deliver(SubscriptionKind kind, std::string_view name,
                                 std::string_view channel, std::string_view message) {
  if (!unsettled_ || !batch_->IsFor(kind, name)) {
    Settle();
    const auto found = map(kind).find(name);
    if (found == map(kind).end()) return;
    batch_->Begin(kind, name, found->second);
    unsettled_ = true;
  }
  if (batch_->Append(channel, message) >= kBatchBytes) Settle();
}

void LocalSubscriptions::SettleBatch() {
  unsettled_ = false;  // first, because appending to a connection's output settles
  batch_->Settle();
}

void LocalSubscriptions::DropSubscribers(SubscriptionKind kind, std::string_view name) {
  Settle();
  const auto found = map(kind).find(name);
  if (found == map(kind).end()) return;
  for (Connection* connection : found->second) connection->DropAfterLoss();
}

void PubSub::Subscribe(SubscriptionKind kind, std::string_view name, Connection& connection) {
  IoThread& thread = connection.thread();
  thread.subscriptions().Add(kind, name, &connection);
  absl::MutexLock lock(&mutex_);
  ByThread& by_thread = names_[static_cast<size_t>(kind)][std::string(name)];
  by_thread.resize(thread_count_);
  ++by_thread[thread.index()].count;
}

void PubSub::Unsubscribe(SubscriptionKind kind, std::string_view name, Connection& connection) {
  IoThread& thread = connection.thread();
  thread.subscriptions().Remove(kind, name, &connection);
  absl::MutexLock lock(&mutex_);
  auto& names = names_[static_cast<size_t>(kind)];
  const auto found = names.find(name);
  if (found == names.end()) return;
  --found->second[thread.index()].count;
  if (std::all_of(found->second.begin(), found->second.end(),
                  [](const Subscribers& on_thread) { return on_thread.count == 0; })) {
    names.erase(found);
  }
}

void PubSub::DropSubscribers(SubscriptionKind kind, std::string_view name, IoThread& thread) {
  thread.subscriptions().DropSubscribers(kind, name);
  absl::MutexLock lock(&mutex_);
  auto& names = names_[static_cast<size_t>(kind)];
  const auto found = names.find(name);
  if (found != names.end()) found->second[thread.index()].losing = false;
}

PubSub::Published PubSub::Publish(SubscriptionKind kind, std::string_view channel,
                                  std::string_view message,
                                  const std::vector<std::unique_ptr<IoThread>>& threads) {
  struct Delivery {
    SubscriptionKind kind;
    std::string pattern;  // or else it is for the subscribers of the channel
  };
  Published published;
  absl::InlinedVector<absl::InlinedVector<Delivery, 1>, 4> by_thread;
  const auto collect = [&](SubscriptionKind matched, const std::string& name,
                           ByThread& subscribers) {
    by_thread.resize(threads.size());
    for (size_t i = 0; i < subscribers.size(); ++i) {
      if (subscribers[i].count == 0) continue;
      published.receivers += subscribers[i].count;
      if (subscribers[i].losing) continue;
      IoThread* thread = threads[i].get();
      if (thread->overflowing()) {
        subscribers[i].losing = true;
        thread->Post([this, thread, matched, name] { DropSubscribers(matched, name, *thread); });
        continue;
      }
      by_thread[i].push_back(
          {matched, matched == SubscriptionKind::kPattern ? name : std::string()});
    }
  };

  // The registry stays locked until the tasks are posted, so that two publishers' messages reach
  // all threads in the same order.
  absl::MutexLock lock(&mutex_);
  auto& names = names_[static_cast<size_t>(kind)];
  if (const auto found = names.find(channel); found != names.end()) {
    collect(kind, found->first, found->second);
  }
  if (kind == SubscriptionKind::kChannel) {
    for (auto& [pattern, on_threads] : names_[static_cast<size_t>(SubscriptionKind::kPattern)]) {
      if (GlobMatches(pattern, channel)) collect(SubscriptionKind::kPattern, pattern, on_threads);
    }
  }
  if (published.receivers == 0) return published;

  struct Message {
    std::string bytes;  // the channel's name, then the text
    size_t name_size;
    std::string_view channel() const { return std::string_view(bytes).substr(0, name_size); }
    std::string_view text() const { return std::string_view(bytes).substr(name_size); }
  };
  std::string bytes;
  bytes.reserve(channel.size() + message.size());
  bytes.append(channel).append(message);
  const auto shared = std::make_shared<const Message>(Message{std::move(bytes), channel.size()});
  for (size_t i = 0; i < by_thread.size(); ++i) {
    if (by_thread[i].empty()) continue;
    IoThread* thread = threads[i].get();
    const size_t size =
        sizeof(Message) + shared->bytes.size() + by_thread[i].size() * sizeof(Delivery);
    thread->Post(
        [thread, shared, deliveries = std::move(by_thread[i])] {
          for (const auto& [matched, pattern] : deliveries) {
            const bool by_pattern = matched == SubscriptionKind::kPattern;
            thread->subscriptions().Deliver(matched, by_pattern ? pattern : shared->channel(),
                                            shared->channel(), shared->text());
          }
        },
        size);
    if (thread->congested()) published.congested.push_back(thread);
  }
  return published;
}

std::vector<std::string> PubSub::Names(SubscriptionKind kind, std::string_view pattern) {
  std::vector<std::string> names;
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, on_threads] : names_[static_cast<size_t>(kind)]) {
    if (GlobMatches(pattern, name)) names.push_back(name);
  }
  return names;
}

int64_t PubSub::SubscriberCount(SubscriptionKind kind, std::string_view name) {
  absl::MutexLock lock(&mutex_);
  const auto& names = names_[static_cast<size_t>(kind)];
  const auto found = names.find(name);
  if (found == names.end()) return 0;
  int64_t total = 0;
  for (const Subscribers& on_thread : found->second) total += on_thread.count;
  return total;
}

size_t PubSub::NameCount(SubscriptionKind kind) {
  absl::MutexLock lock(&mutex_);
  return names_[static_cast<size_t>(kind)].size();
}

}  // namespace chorale
