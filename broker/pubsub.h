// Publish and subscribe: who listens to which channel, pattern and shard channel.
//
// Two levels. The registry, shared and locked, knows for each channel which threads have
// subscribers and how many. Each thread's LocalSubscriptions knows the connections themselves and
// needs no lock. Publish() encodes nothing and copies the message once: it posts one task to each
// thread concerned, which encodes the frame at most once per protocol version and appends it to its
// subscribers. This replaces an outbox per connection by an inbox per thread: a fan-out to a
// thousand connections costs the publisher one append per thread, and each thread wakes once.
// Messages that lie in the inbox one behind the other, for the same name, become one frame: a
// subscriber costs one append for all of them.
//
// A publisher that may not wait, a script or a transaction, can fill an inbox. From the bound on
// (IoThread::overflowing) its messages are not kept, and the subscribers that miss them are closed,
// as they would be for reading too slowly. One task per name and thread does that, however many
// messages are lost.
//
// Order: messages of one publisher reach every subscriber in the order of publishing, because an
// inbox is first in, first out. A message that is published after a SUBSCRIBE was answered arrives.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/synchronization/mutex.h"
#include "broker/frame.h"
#include "storage/database.h"

namespace chorale {

class Connection;
class IoThread;

enum class SubscriptionKind : uint8_t { kChannel, kPattern, kShardChannel };
inline constexpr size_t kSubscriptionKinds = 3;

// The subscribers that live on one thread. That thread only.
class LocalSubscriptions {
 public:
  LocalSubscriptions();
  ~LocalSubscriptions();

  void Add(SubscriptionKind kind, std::string_view name, Connection* connection);
  void Remove(SubscriptionKind kind, std::string_view name, Connection* connection);

  // Appends the message to every subscriber on this thread, by the next Settle at the latest.
  void Deliver(SubscriptionKind kind, std::string_view name, std::string_view channel,
               std::string_view message);
  // What was to be delivered until now is in the subscribers' output. Called when the inbox has
  // been worked off, and before anything else is appended to the output of a subscriber.
  void Settle() {
    if (unsettled_) SettleBatch();
  }
  // Closes the connections of the subscribers on this thread, which missed a message.
  void DropSubscribers(SubscriptionKind kind, std::string_view name);

 private:
  StringMap<std::vector<Connection*>>& map(SubscriptionKind kind) {
    return maps_[static_cast<size_t>(kind)];
  }
  class Batch;

  void SettleBatch();

  std::array<StringMap<std::vector<Connection*>>, kSubscriptionKinds> maps_;
  const std::unique_ptr<Batch> batch_;
  bool unsettled_ = false;  // the batch has messages
};

// Thread-safe.
class PubSub {
 public:
  explicit PubSub(int threads) : thread_count_(threads) {}

  // Called on the connection's own thread, which also updates its LocalSubscriptions.
  void Subscribe(SubscriptionKind kind, std::string_view name, Connection& connection);
  void Unsubscribe(SubscriptionKind kind, std::string_view name, Connection& connection);

  struct Published {
    // Subscribers that will get the message; one that matches by channel and by patterns counts
    // for each.
    int64_t receivers = 0;
    // Threads among the receivers' that are behind with their inbox.
    absl::InlinedVector<IoThread*, 2> congested;
  };
  // `kind` is kChannel (patterns included) or kShardChannel.
  Published Publish(SubscriptionKind kind, std::string_view channel, std::string_view message,
                    const std::vector<std::unique_ptr<IoThread>>& threads);

  // For PUBSUB.
  std::vector<std::string> Names(SubscriptionKind kind, std::string_view pattern);
  int64_t SubscriberCount(SubscriptionKind kind, std::string_view name);
  size_t NameCount(SubscriptionKind kind);

 private:
  // The subscribers of one name on one thread.
  struct Subscribers {
    uint32_t count = 0;
    bool losing = false;  // they missed a message, and a task to close them is under way
  };
  using ByThread = std::vector<Subscribers>;

  // Closes the subscribers on this thread, the caller's, that missed a message.
  void DropSubscribers(SubscriptionKind kind, std::string_view name, IoThread& thread);

  absl::Mutex mutex_;
  std::array<StringMap<ByThread>, kSubscriptionKinds> names_ ABSL_GUARDED_BY(mutex_);
  const int thread_count_;
};

}  // namespace chorale
