// The state of one client that commands see and change: protocol version, database, transaction,
// subscriptions. Owned by its Connection and used on that connection's thread only, except for the
// ClientInfo, which any thread may read.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "broker/command.h"
#include "storage/waiter.h"

namespace chorale {

class Connection;
class IoThread;
class MailboxDelivery;

// What CLIENT LIST shows. Thread-safe: the owner writes, anyone reads.
struct ClientInfo {
  // Constant after construction.
  int64_t id = 0;
  std::string address;        // "127.0.0.1:50000", or "path:0" on a Unix socket
  std::string local_address;  // of the broker's side
  int descriptor = -1;
  int64_t connected_at_ms = 0;
  IoThread* thread = nullptr;
  std::weak_ptr<Connection> connection;  // locked on `thread` only

  std::atomic<int64_t> last_interaction_ms = 0;
  std::atomic<const Command*> last_command = nullptr;
  std::atomic<int> db = 0;
  std::atomic<int> protocol = 2;
  std::atomic<int> channels = 0, patterns = 0, shard_channels = 0;
  std::atomic<int> queued = -1;  // commands since MULTI; -1 outside of it
  std::atomic<int> watched = 0;
  std::atomic<uint64_t> output_bytes = 0;
  std::atomic<uint64_t> input_bytes = 0;
  std::atomic<bool> blocked = false, monitor = false, no_evict = false, no_touch = false;
  std::atomic<bool> close_asap = false, unix_socket = false;

  std::string name() const {
    absl::MutexLock lock(&mutex);
    return name_;
  }
  void set_name(std::string_view name) {
    absl::MutexLock lock(&mutex);
    name_ = name;
  }
  std::pair<std::string, std::string> library() const {
    absl::MutexLock lock(&mutex);
    return {library_name_, library_version_};
  }
  void set_library_name(std::string_view name) {
    absl::MutexLock lock(&mutex);
    library_name_ = name;
  }
  void set_library_version(std::string_view version) {
    absl::MutexLock lock(&mutex);
    library_version_ = version;
  }

 private:
  mutable absl::Mutex mutex;
  std::string name_ ABSL_GUARDED_BY(mutex);
  std::string library_name_ ABSL_GUARDED_BY(mutex);
  std::string library_version_ ABSL_GUARDED_BY(mutex);
};

struct QueuedCommand {
  const Command* command;
  std::vector<std::string> args;
};

// Between MULTI and EXEC.
struct Transaction {
  std::vector<QueuedCommand> commands;
  size_t bytes = 0;
  bool aborted = false;  // a command was refused while queueing
};

struct WatchedKey {
  int db;
  std::string key;
};

// What a client listens to; the registry of pub/sub holds the other side.
struct Subscriptions {
  absl::flat_hash_set<std::string> channels, patterns, shard_channels;
  size_t count() const { return channels.size() + patterns.size(); }
  bool empty() const { return count() == 0 && shard_channels.empty(); }
};

// CLIENT REPLY: kSkipNext leaves out the reply of the next command, kSkipping that of this one.
enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext, kSkipping };

struct Client {
  explicit Client(Connection& connection) : connection(connection) {}

  Connection& connection;
  std::shared_ptr<ClientInfo> info = std::make_shared<ClientInfo>();
  int db = 0;
  int protocol = 2;
  bool authenticated = false;
  ReplyMode reply_mode = ReplyMode::kOn;
  std::unique_ptr<Transaction> transaction;
  std::vector<WatchedKey> watched;
  std::shared_ptr<WatchFlag> watch_flag;
  std::unique_ptr<Subscriptions> subscriptions;
  std::vector<std::shared_ptr<MailboxDelivery>> mailboxes;  // that this client has opened

  bool subscribed() const { return subscriptions != nullptr && !subscriptions->empty(); }
};

}  // namespace chorale
