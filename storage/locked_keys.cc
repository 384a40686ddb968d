#include "storage/locked_keys.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <thread>

#include "storage/layers/channel_queue.h"
#include "storage/persistence/journal.h"

namespace chorale {
namespace {

// How long a thread spins for a shard before it lets others run, and before it sleeps. Critical
// sections last well under a microsecond; only a script or an EXEC holds shards for longer.
constexpr int kSpins = 64;
constexpr int kYields = 64;
constexpr std::chrono::microseconds kNap{50};

// Removed values that one token keeps for later: enough for a command, a bound for a script.
constexpr size_t kMostGarbage = 128;

void Pause(int attempt) {
  if (attempt < kSpins) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  } else if (attempt < kSpins + kYields) {
    std::this_thread::yield();
  } else {
    std::this_thread::sleep_for(kNap);
  }
}

template <typename Visitor>
void ForEachShard(ShardMask mask, Visitor visit) {
  for (; mask != 0; mask &= mask - 1) visit(std::countr_zero(mask));
}

// What the key's row is taken to cost. A large value's parts are counted when they change.
size_t UnsavedSize(const Entry* entry) {
  const bool counts_itself = entry->parts() != nullptr || entry->type() == ValueType::kChannelQueue;
  return kUnsavedRowBytes + (counts_itself ? entry->key().size() : entry->MemoryUsage());
}

}  // namespace

// The set of locks is known at run time only, which the static analysis cannot follow; shard()
// asserts what it could not prove.
bool LockedKeys::Lock(ShardMask shards, GiveUp give_up) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  for (ShardMask rest = shards; rest != 0; rest &= rest - 1) {
    const int index = std::countr_zero(rest);
    absl::Mutex& mutex = store_.shards_[index].mutex;
    for (int attempt = 0; !mutex.TryLock(); ++attempt) {
      if (attempt > kSpins && give_up()) {
        Unlock();
        return false;
      }
      Pause(attempt);
    }
    held_ |= ShardMask{1} << index;
  }
  if (journal_ != nullptr && std::popcount(held_) > 1) journal_->BeginTogether(*this);
  return true;
}

void LockedKeys::Lock(ShardMask shards) {
  (void)Lock(shards, [] { return false; });
}

void LockedKeys::Unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  ForEachShard(held_, [&](int index)
                          ABSL_NO_THREAD_SAFETY_ANALYSIS { store_.shards_[index].mutex.Unlock(); });
  held_ = 0;
}

void LockedKeys::Release() {
  if (held_ == 0) return;
  std::vector<ReadyKey> deferred = ServeReady();
  Unlock();
  garbage_.clear();
  emptied_.clear();
  for (const ReadyKey& ready : deferred) store_.ServeWaiters(ready.db, ready.key, now_ms_);
}

Shard& LockedKeys::shard(int index) {
  assert((held_ >> index & 1) != 0 && "the key's shard is not locked by this token");
  Shard& shard = store_.shards_[index];
  shard.mutex.AssertHeld();
  return shard;
}

Database& LockedKeys::DatabaseIn(int index, int db) {
  Shard& locked = shard(index);
  locked.mutex.AssertHeld();
  return *locked.databases[db];
}

Entry* LockedKeys::Find(int db, std::string_view key) { return Find(db, key, HashKey(key)); }

Entry* LockedKeys::Find(int db, std::string_view key, uint64_t hash) {
  Entry* entry = FindLive(database(db, hash), key, hash);
  if (entry != nullptr && notes_use_) entry->set_used_at_s(now_s_);
  return entry;
}

Entry* LockedKeys::FindLive(Database& database, std::string_view key, uint64_t hash) {
  Entry* entry = database.Find(key, hash);
  if (entry == nullptr || !Expired(database, entry)) return entry;
  Shard& locked = shard(Store::ShardOfHash(hash));
  locked.mutex.AssertHeld();
  EraseExpired(locked, database, entry, hash);
  return nullptr;
}

Entry* LockedKeys::Lookup(int db, std::string_view key) {
  Entry* entry = Peek(db, key);
  if (entry != nullptr && notes_use_) entry->set_used_at_s(now_s_);
  return entry;
}

Entry* LockedKeys::Peek(int db, std::string_view key) {
  const uint64_t hash = HashKey(key);
  Entry* entry = FindLive(database(db, hash), key, hash);
  Shard& locked = shard(Store::ShardOfHash(hash));
  locked.mutex.AssertHeld();
  ++(entry != nullptr ? locked.hits : locked.misses);
  return entry;
}

Entry* LockedKeys::SetString(int db, std::string_view key, std::string_view value,
                             bool keep_expiry) {
  const uint64_t hash = HashKey(key);
  Database& database = this->database(db, hash);
  Entry* entry = Find(db, key, hash);
  if (entry == nullptr) {
    return Add(db, database, Entry::NewString(key, value), hash);
  }
  if (!keep_expiry) database.ClearExpiry(entry);
  Changed(database, entry, hash);
  const size_t size = journal_ == nullptr ? 0 : UnsavedSize(entry);
  if (entry->type() != ValueType::kString || !entry->TrySetString(value)) {
    NoteFreed(entry, hash);
    Entry::Pointer replacement = Entry::NewString(key, value);
    replacement->set_unsaved(entry->unsaved());
    replacement->set_on_disk(entry->on_disk());
    entry = database.Replace(entry, std::move(replacement), hash);
    entry->set_used_at_s(now_s_);
  }
  NoteGrown(database, entry, size);
  return entry;
}

std::string& LockedKeys::EditString(int db, std::string_view key, size_t size) {
  const uint64_t hash = HashKey(key);
  Database& database = this->database(db, hash);
  Entry* entry = Find(db, key, hash);
  if (entry == nullptr) {
    entry = Add(db, database, Entry::NewBytes(key, {}), hash);
  } else {
    Changed(database, entry, hash);
  }
  const size_t size_before = journal_ == nullptr ? 0 : UnsavedSize(entry);
  std::string& bytes = entry->MutableString();
  if (bytes.size() < size) bytes.resize(size);
  NoteGrown(database, entry, size_before);
  return bytes;
}

void LockedKeys::SetInteger(int db, std::string_view key, int64_t value) {
  const uint64_t hash = HashKey(key);
  Database& database = this->database(db, hash);
  Entry* entry = Find(db, key, hash);
  if (entry == nullptr) {
    Add(db, database, Entry::NewInteger(key, value), hash);
    return;
  }
  entry->SetInteger(value);
  Changed(database, entry, hash);
}

Entry* LockedKeys::Put(int db, Entry::Pointer entry, bool keep_expiry) {
  const uint64_t hash = HashKey(entry->key());
  Database& database = this->database(db, hash);
  int64_t expiry = Database::kNever;
  if (Entry* old = Find(db, entry->key(), hash); old != nullptr) {
    if (keep_expiry) expiry = database.expiry(old);
    NoteRemoved(database, old, hash);
    database.Erase(old, hash);
  }
  Entry* added = Add(db, database, std::move(entry), hash);
  if (expiry != Database::kNever) database.SetExpiry(added, expiry);
  return added;
}

void LockedKeys::Restore(int db, Entry::Pointer entry, int64_t expiry_ms) {
  const uint64_t hash = HashKey(entry->key());
  Database& database = this->database(db, hash);
  Entry* const restored = database.Insert(std::move(entry), hash);
  restored->set_used_at_s(now_s_);
  restored->set_on_disk(journal_ != nullptr);
  if (expiry_ms != Database::kNever) database.SetExpiry(restored, expiry_ms);
}

bool LockedKeys::Delete(int db, std::string_view key) {
  const uint64_t hash = HashKey(key);
  Entry* entry = Find(db, key, hash);
  if (entry == nullptr) return false;
  Erase(database(db, hash), entry, hash);
  return true;
}

bool LockedKeys::Unlink(int db, std::string_view key) {
  const uint64_t hash = HashKey(key);
  Database& database = this->database(db, hash);
  Entry* entry = FindLive(database, key, hash);
  if (entry == nullptr) return false;
  TouchIn(database, key);
  NoteRemoved(database, entry, hash);
  Entry::Pointer removed = database.Remove(entry, hash);
  if (removed->type() == ValueType::kString) return true;
  if (garbage_.size() == kMostGarbage) garbage_.clear();
  garbage_.push_back(std::move(removed));
  return true;
}

void LockedKeys::Move(int db, std::string_view key, int to_db, std::string_view to) {
  const uint64_t hash = HashKey(key);
  Database& source = database(db, hash);
  Entry* entry = source.Find(key, hash);
  const int64_t expiry = source.expiry(entry);
  // In another database its rows would not go with those of that database.
  if (db != to_db) {
    NoteFreed(entry, hash);
    if (Parts* parts = entry->parts(); parts != nullptr) parts->Restart();
  }
  Entry::Pointer moved = entry->MoveTo(to);
  Erase(source, entry, hash);
  Entry* placed = Put(to_db, std::move(moved));
  if (expiry != Database::kNever) database(to_db, to).SetExpiry(placed, expiry);
}

void LockedKeys::SetExpiry(int db, Entry* entry, int64_t at_ms) {
  const uint64_t hash = HashKey(entry->key());
  Database& database = this->database(db, hash);
  if (at_ms <= now_ms_) {
    Erase(database, entry, hash);
    return;
  }
  database.SetExpiry(entry, at_ms);
  Changed(database, entry, hash);
}

bool LockedKeys::ClearExpiry(int db, Entry* entry) {
  const uint64_t hash = HashKey(entry->key());
  Database& database = this->database(db, hash);
  if (!database.ClearExpiry(entry)) return false;
  Changed(database, entry, hash);
  return true;
}

Entry* LockedKeys::Add(int db, Database& database, Entry::Pointer entry, uint64_t hash) {
  Entry* added = database.Insert(std::move(entry), hash);
  added->set_used_at_s(now_s_);
  TouchIn(database, added->key());
  if (journal_ != nullptr) NoteAdded(database, added, hash);
  MarkReady(db, database, added);
  return added;
}

void LockedKeys::Erase(Database& database, Entry* entry, uint64_t hash) {
  TouchIn(database, entry->key());
  NoteRemoved(database, entry, hash);
  database.Erase(entry, hash);
}

void LockedKeys::EraseExpired(Shard& shard, Database& database, Entry* entry, uint64_t hash) {
  shard.mutex.AssertHeld();
  ++shard.expired;
  if (entry->type() == ValueType::kChannelQueue) entry->object<ChannelQueue>().CountAllExpired();
  Erase(database, entry, hash);
}

size_t LockedKeys::ExpireBatch(Shard& shard, Database& database, size_t batch) {
  shard.mutex.AssertHeld();
  size_t freed = 0;
  for (size_t looked = 0; looked < batch && database.expiring() > 0; ++looked) {
    if (database.next_to_expire >= database.expiring()) database.next_to_expire = 0;
    // An erased entry's slot is filled by the last one, which is then looked at next.
    if (database.ExpiryAt(database.next_to_expire) > now_ms_) {
      ++database.next_to_expire;
      continue;
    }
    Entry* entry = database.ExpiringEntry(database.next_to_expire);
    EraseExpired(shard, database, entry, HashKey(entry->key()));
    ++freed;
  }
  return freed;
}

// ---- persistence ----

void LockedKeys::MarkShard(uint64_t hash) {
  const int index = Store::ShardOfHash(hash);
  Shard& locked = shard(index);
  locked.mutex.AssertHeld();
  const bool noted_before = std::exchange(noted_, true);
  if (locked.marked && (noted_before || !journal_->always())) return;
  locked.marked = true;
  journal_->Mark(ShardMask{1} << index);
}

void LockedKeys::NoteChanged(Database& database, Entry* entry, uint64_t hash) {
  MarkShard(hash);
  if (!entry->unsaved()) database.unsaved.Changed(*entry, hash, UnsavedSize(entry));
}

void LockedKeys::NoteAdded(Database& database, Entry* entry, uint64_t hash) {
  MarkShard(hash);
  database.unsaved.Added(*entry, hash, UnsavedSize(entry));
}

void LockedKeys::NoteGrown(Database& database, const Entry* entry, size_t size_before) {
  if (journal_ == nullptr) return;
  const size_t size = UnsavedSize(entry);
  if (size > size_before) database.unsaved.bytes.Add(size - size_before);
}

void LockedKeys::NoteRemoved(Database& database, Entry* entry, uint64_t hash) {
  if (journal_ == nullptr) return;
  MarkShard(hash);
  NoteFreed(entry, hash);
  database.unsaved.Removed(database.entries(), *entry, UnsavedSize(entry));
}

void LockedKeys::NoteFreed(const Entry* entry, uint64_t hash) {
  if (journal_ == nullptr) return;
  Shard& locked = shard(Store::ShardOfHash(hash));
  locked.mutex.AssertHeld();
  if (entry->type() == ValueType::kChannelQueue) {
    const ChannelQueue& queue = entry->object<ChannelQueue>();
    if (queue.disk_begin() == queue.disk_end()) return;
    locked.dropped_messages.push_back(
        {std::string(entry->key()), queue.disk_begin(), queue.disk_end()});
    return;
  }
  const Parts* const parts = entry->parts();
  if (parts == nullptr || !parts->on_disk) return;
  locked.dropped_parts.push_back({entry->type(), parts->id});
}

// ---- watching ----

void LockedKeys::TouchIn(Database& database, std::string_view key) {
  if (database.watches.empty()) return;
  const auto found = database.watches.find(key);
  if (found == database.watches.end()) return;
  for (const auto& flag : found->second) flag->changed.store(true, std::memory_order_release);
}

void LockedKeys::TouchAll(const Database& database, const Database& other) {
  for (const auto& [key, flags] : database.watches) {
    const uint64_t hash = HashKey(key);
    if (database.Find(key, hash) == nullptr && other.Find(key, hash) == nullptr) continue;
    for (const auto& flag : flags) flag->changed.store(true, std::memory_order_release);
  }
}

void LockedKeys::Watch(int db, std::string_view key, const std::shared_ptr<WatchFlag>& flag) {
  Find(db, key);  // A key whose time has passed is gone before it is watched.
  database(db, key).watches[std::string(key)].push_back(flag);
}

void LockedKeys::Unwatch(int db, std::string_view key, const std::shared_ptr<WatchFlag>& flag) {
  auto& watches = database(db, key).watches;
  const auto found = watches.find(key);
  if (found == watches.end()) return;
  std::erase(found->second, flag);
  if (found->second.empty()) watches.erase(found);
}

// ---- waiting ----

void LockedKeys::Register(const WaiterPointer& waiter) {
  for (const std::string& key : waiter->keys()) {
    auto& queue = database(waiter->db(), key).waiters[key];
    // A key that the command names twice is waited for once.
    if (queue.empty() || queue.back() != waiter) queue.push_back(waiter);
  }
}

bool LockedKeys::Unregister(const WaiterPointer& waiter) {
  for (const std::string& key : waiter->keys()) {
    auto& waiters = database(waiter->db(), key).waiters;
    const auto found = waiters.find(key);
    if (found == waiters.end()) continue;
    found->second.remove(waiter);
    if (found->second.empty()) waiters.erase(found);
  }
  return waiter->Claim();
}

void LockedKeys::MarkReady(int db, const Database& database, const Entry* entry) {
  if (database.waiters.empty() || entry->type() == ValueType::kString) return;
  if (!database.waiters.contains(entry->key())) return;
  ready_.push_back({db, std::string(entry->key())});
}

std::vector<LockedKeys::ReadyKey> LockedKeys::ServeReady() {
  std::vector<ReadyKey> deferred;
  // Serving may make further keys ready (BLMOVE's destination).
  for (size_t i = 0; i < ready_.size(); ++i) {
    const ReadyKey ready = ready_[i];
    if (!ServeKey(ready.db, ready.key).empty()) deferred.push_back(ready);
  }
  ready_.clear();
  return deferred;
}

std::string LockedKeys::ServeKey(int db, const std::string& key) {
  auto& waiters = database(db, key).waiters;
  const auto found = waiters.find(key);
  if (found == waiters.end()) return {};
  auto& queue = found->second;
  for (auto next = queue.begin(); next != queue.end();) {
    const Entry* entry = Find(db, key);
    if (entry == nullptr) break;
    const WaiterPointer waiter = *next;
    if (entry->type() != waiter->wanted()) {
      ++next;
      continue;
    }
    if (!waiter->target().empty() && (held_ & Store::MaskOf(waiter->target())) == 0) {
      return waiter->target();
    }
    next = queue.erase(next);
    if (waiter->Claim()) waiter->Serve(*this, key);
  }
  if (queue.empty()) waiters.erase(found);
  return {};
}

// ---- all keys ----

size_t LockedKeys::Size(int db) {
  size_t size = 0;
  ForEachShard(held_, [&](int index) { size += DatabaseIn(index, db).entries().size(); });
  return size;
}

size_t LockedKeys::Expiring(int db) {
  size_t size = 0;
  ForEachShard(held_, [&](int index) { size += DatabaseIn(index, db).expiring(); });
  return size;
}

LockedKeys::Totals LockedKeys::totals() {
  Totals totals;
  ForEachShard(held_, [&](int index) {
    Shard& locked = shard(index);
    locked.mutex.AssertHeld();
    totals.hits += locked.hits;
    totals.misses += locked.misses;
    totals.expired += locked.expired;
    for (const auto& database : locked.databases) totals.waiting_keys += database->waiters.size();
  });
  return totals;
}

void LockedKeys::ResetCounters() {
  ForEachShard(held_, [&](int index) {
    Shard& locked = shard(index);
    locked.mutex.AssertHeld();
    locked.hits = locked.misses = locked.expired = 0;
  });
}

void LockedKeys::Flush(int db) {
  if (db <= std::exchange(last_emptied_, db)) emptied_.clear();
  ForEachShard(held_, [&](int index) {
    Database& database = DatabaseIn(index, db);
    if (database.entries().empty()) return;
    TouchAll(database, database);
    database.SwapContents(*emptied_.emplace_back(std::make_unique<Database>()));
    emptied_.back()->unsaved.Clear();
  });
  if (journal_ != nullptr) journal_->DropDatabase(db);
}

void LockedKeys::Swap(int db_a, int db_b) {
  ForEachShard(held_, [&](int index) {
    Database& a = DatabaseIn(index, db_a);
    Database& b = DatabaseIn(index, db_b);
    TouchAll(a, b);
    TouchAll(b, a);
    a.SwapContents(b);
    for (const int db : {db_a, db_b}) {
      Database& database = DatabaseIn(index, db);
      for (const auto& [key, queue] : database.waiters) {
        const Entry* entry = database.Find(key, HashKey(key));
        if (entry != nullptr) ready_.push_back({db, key});
      }
    }
  });
  if (journal_ != nullptr) journal_->SwapDatabases(db_a, db_b);
}

void LockedKeys::ForEach(int db, absl::FunctionRef<void(Entry*)> visit) {
  ForEachShard(held_, [&](int index) {
    const Database& database = DatabaseIn(index, db);
    database.entries().ForEach([&](Entry* entry) {
      if (!Expired(database, entry)) visit(entry);
    });
  });
}

}  // namespace chorale
