// The lease on what a channels_redis consumer popped.
//
// channels_redis receives in three steps: its recovery script moves what an earlier receive left
// behind back into the queue, BZPOPMIN pops a message, ZADD writes it to a backup. A consumer that
// is cancelled between the last two loses the message. Therefore: when the command right after the
// recovery script for a key is a BZPOPMIN of that key alone, the popped message stays leased to the
// connection until its next command. If the connection closes first (redis-py drops a connection
// whose reply nobody waited for), the message goes back to the head of its queue. Any other pop
// behaves as in Redis.
//
// redis-py may send the ZADD through another connection of its pool and leave the first one idle:
// writing the message to its backup ends the lease, whoever does it.
//
// A consumer that was cancelled after it sent the ZADD, and receives again through a new
// connection, relies on Redis's single thread: the ZADD was sent first, so the recovery script
// finds the message in the backup. Here they may be on two threads. Therefore the recovery script
// of a queue from which a message is leased without a backup waits until what had been sent to the
// broker by then was run. For the same reason the recovery script of a consumer that has hung up is
// not run: on a thread that is behind it would come after what its successor has done, and bring
// back a message that was handled. The successor has run it anyway.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/synchronization/mutex.h"
#include "storage/database.h"

namespace chorale {

class IoThread;

class LeaseRegistry;

struct LeasedMessage {
  int db = 0;
  std::string key;
  std::string member;
  double score = 0;
  int64_t expiry_ms = 0;  // of the key when the message was popped; Database::kNever if none
};

// Known to the registry from its making to its end. Owned by one connection, or by the task that
// brings it there.
class Lease {
 public:
  Lease(LeaseRegistry& registry, LeasedMessage message);
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  const LeasedMessage& message() const { return message_; }
  // True once the message was written to its backup.
  bool confirmed() const { return confirmed_.load(std::memory_order_acquire); }

 private:
  friend class LeaseRegistry;

  LeaseRegistry& registry_;
  const LeasedMessage message_;
  std::atomic<bool> confirmed_ = false;
};

// The leases that have not ended. Thread-safe; its lock is taken with shards held.
class LeaseRegistry {
 public:
  // channels_redis keeps the backup of queue `key` in `key` + kBackupSuffix.
  static constexpr std::string_view kBackupSuffix = "$inflight";

  bool empty() const { return count_.load(std::memory_order_acquire) == 0; }

  // `member` was written to the sorted set `backup_key`: ends its lease, if it has one.
  void Confirm(int db, std::string_view backup_key, std::string_view member) {
    if (empty() || !backup_key.ends_with(kBackupSuffix)) return;
    ConfirmLeased(db, backup_key, member);
  }

  // True if a message that was popped from `key` is leased and not in its backup. Call it with the
  // shard of `key` held.
  bool HasUnconfirmed(int db, std::string_view key) { return !empty() && FindUnconfirmed(db, key); }

 private:
  friend class Lease;

  void Add(Lease* lease);
  void Remove(const Lease* lease);
  void ConfirmLeased(int db, std::string_view backup_key, std::string_view member);
  bool FindUnconfirmed(int db, std::string_view key);

  std::atomic<size_t> count_ = 0;
  absl::Mutex mutex_;
  // By database, key and member; those of one key are neighbours.
  absl::btree_map<std::string, Lease*> leases_ ABSL_GUARDED_BY(mutex_);
};

// Puts the message back, with the score and the expiry that it had; it is dropped if that time has
// passed. On an I/O thread that holds no shard.
void GiveBack(IoThread& thread, std::unique_ptr<Lease> lease);

}  // namespace chorale
