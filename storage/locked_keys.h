// The token that says "these shards are locked", and the operations on the keys in them.
//
// One token lives for one command, or for a whole EXEC or script; handlers get it and never lock.
// It is used by one thread. When it is released, keys that came into being during its life serve
// their waiters first (waiter.h). Access to a key whose shard the token does not hold is a
// programming error and is caught by an assertion in debug builds.

#pragma once

#include <cassert>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "storage/store.h"

namespace chorale {

template <typename T>
class Edit;

// A typed look at a key's value: absent, of the type, or of another one.
template <typename T>
class View {
 public:
  View(const T* value, bool wrong_type) : value_(value), wrong_type_(wrong_type) {}
  bool wrong_type() const { return wrong_type_; }
  explicit operator bool() const { return value_ != nullptr; }
  const T* operator->() const { return value_; }
  const T& operator*() const { return *value_; }
  const T* get() const { return value_; }

 private:
  const T* value_;
  bool wrong_type_;
};

enum class IfAbsent { kCreate, kLeave };

class LockedKeys {
 public:
  // Gives up waiting for a shard when it returns true; so that no thread
  // is stuck behind a script that has run past its time.
  using GiveUp = absl::FunctionRef<bool()>;

  // Locks nothing yet. `now_ms` is the Unix time that decides about expiry while the token lives.
  LockedKeys(Store& store, int64_t now_ms) : store_(store), journal_(store.journal()) {
    set_now_ms(now_ms);
  }
  LockedKeys(const LockedKeys&) = delete;
  LockedKeys& operator=(const LockedKeys&) = delete;
  ~LockedKeys() { Release(); }

  // Locks the shards in ascending order. Called once, before anything else. False when `give_up`
  // said so while a shard was taken; then no shard is held.
  [[nodiscard]] bool Lock(ShardMask shards, GiveUp give_up);
  void Lock(ShardMask shards);
  // Serves waiters of keys that became ready and unlocks.
  void Release();

  ShardMask held() const { return held_; }
  // Whether something has changed. Exact only with a journal that is to be told of every change.
  bool noted() const { return noted_; }
  Store& store() { return store_; }
  int64_t now_ms() const { return now_ms_; }
  void set_now_ms(int64_t now_ms) {
    now_ms_ = now_ms;
    now_s_ = static_cast<uint32_t>(now_ms / 1000);
  }
  // Whether looking at a key counts as using it, for OBJECT IDLETIME; CLIENT NO-TOUCH says no.
  void set_notes_use(bool notes_use) { notes_use_ = notes_use; }

  // ---- one key ----
  // nullptr when the key does not exist; a key whose time has passed is deleted on the way.
  Entry* Find(int db, std::string_view key);
  // Like Find, and counted as a hit or a miss.
  Entry* Lookup(int db, std::string_view key);
  // Like Lookup, but does not count as using the key.
  Entry* Peek(int db, std::string_view key);
  template <typename T>
  View<T> Read(int db, std::string_view key) {
    Entry* entry = Lookup(db, key);
    if (entry == nullptr) return {nullptr, false};
    if (entry->type() != kValueTypeOf<T>) return {nullptr, true};
    return {&entry->object<T>(), false};
  }
  bool Exists(int db, std::string_view key) { return Find(db, key) != nullptr; }

  // Sets a string whatever the key held before. Removes the expiry unless told to keep it.
  Entry* SetString(int db, std::string_view key, std::string_view value, bool keep_expiry = false);
  // The bytes of a string for the caller to change, but not to make longer: with zeros behind them
  // they are `size` bytes long, if they were not longer before. The key holds no other type or does
  // not exist. Keeps the expiry.
  std::string& EditString(int db, std::string_view key, size_t size);
  void SetInteger(int db, std::string_view key, int64_t value);  // keeps the expiry
  // Puts a whole value at `entry->key()`, replacing what was there and, unless told to keep it, its
  // expiry.
  Entry* Put(int db, Entry::Pointer entry, bool keep_expiry = false);
  template <typename T>
  void PutObject(int db, std::string_view key, std::unique_ptr<T> object) {
    Put(db, Entry::NewObject(key, std::move(object)));
  }
  // Puts in what a data directory holds; the key is not there, and nobody is told.
  void Restore(int db, Entry::Pointer entry, int64_t expiry_ms);
  bool Delete(int db, std::string_view key);
  // The same, but a value of many parts is freed once no shard is held any more. Of those that one
  // token removes only the last few wait so long.
  bool Unlink(int db, std::string_view key);
  // Takes the value out of `key` (which exists) and puts it, with its expiry, at (to_db, to).
  void Move(int db, std::string_view key, int to_db, std::string_view to);

  int64_t Expiry(int db, const Entry* entry) { return database(db, entry->key()).expiry(entry); }
  void SetExpiry(int db, Entry* entry, int64_t at_ms);  // a time in the past deletes the key
  bool ClearExpiry(int db, Entry* entry);

  // ---- waiting and watching ----
  // All shards of the waiter's keys are held.
  void Register(const WaiterPointer& waiter);
  // Takes `waiter` off its keys. True when it had not been served: from here on it never will be.
  bool Unregister(const WaiterPointer& waiter);
  void Watch(int db, std::string_view key, const std::shared_ptr<WatchFlag>& flag);
  void Unwatch(int db, std::string_view key, const std::shared_ptr<WatchFlag>& flag);

  // ---- all keys; the token holds every shard unless a shard is named ----
  size_t Size(int db);
  size_t Expiring(int db);
  // Frees what it removed once no shard is held any more, or when a database is emptied again.
  void Flush(int db);
  void Swap(int db_a, int db_b);
  // Counted over the held shards.
  struct Totals {
    uint64_t hits = 0, misses = 0, expired = 0;
    uint64_t waiting_keys = 0;  // keys on which somebody is blocked
  };
  Totals totals();
  void ResetCounters();
  // The part of database `db` that lives in `shard`.
  Database& DatabaseIn(int shard, int db);
  // The shard, which is held. For the journal.
  Shard& shard(int index);
  // Calls visit(Entry*) for each live key of the held shards.
  void ForEach(int db, absl::FunctionRef<void(Entry*)> visit);
  bool Expired(const Database& database, const Entry* entry) const {
    const int64_t at = database.expiry(entry);
    return at != Database::kNever && at <= now_ms_;
  }

 private:
  friend class Store;
  template <typename T>
  friend class Edit;

  struct ReadyKey {
    int db;
    std::string key;
  };

  Database& database(int db, uint64_t hash) { return DatabaseIn(Store::ShardOfHash(hash), db); }
  Database& database(int db, std::string_view key) { return database(db, HashKey(key)); }
  Entry* FindLive(Database& database, std::string_view key, uint64_t hash);
  Entry* Find(int db, std::string_view key, uint64_t hash);
  void Erase(Database& database, Entry* entry, uint64_t hash);
  // Of a key whose time has passed.
  void EraseExpired(Shard& shard, Database& database, Entry* entry, uint64_t hash);
  Entry* Add(int db, Database& database, Entry::Pointer entry, uint64_t hash);
  void MarkReady(int db, const Database& database, const Entry* entry);
  // The value of the key changed: tells its watchers and the journal. Mutators of this class and
  // Edit do it themselves.
  void Changed(Database& database, Entry* entry, uint64_t hash) {
    TouchIn(database, entry->key());
    if (journal_ != nullptr) NoteChanged(database, entry, hash);
  }
  void TouchIn(Database& database, std::string_view key);
  // ---- persistence ----
  void NoteChanged(Database& database, Entry* entry, uint64_t hash);
  void NoteAdded(Database& database, Entry* entry, uint64_t hash);
  // The value, whose change is noted, has become larger than it was then.
  void NoteGrown(Database& database, const Entry* entry, size_t size_before);
  void NoteRemoved(Database& database, Entry* entry, uint64_t hash);
  // The value is about to be freed.
  void NoteFreed(const Entry* entry, uint64_t hash);
  void MarkShard(uint64_t hash);
  // Touches every watched key that exists in `database` or in `other`.
  static void TouchAll(const Database& database, const Database& other);
  // Returns the keys whose next waiter needs a shard that is not held.
  std::vector<ReadyKey> ServeReady();
  // Serves the key's waiters in their order. Stops at one whose target is in a shard that this
  // token does not hold, and returns that target; empty when all that could be served were.
  std::string ServeKey(int db, const std::string& key);
  // Looks at up to `batch` expiries and frees the keys whose time has passed; returns how many.
  size_t ExpireBatch(Shard& shard, Database& database, size_t batch);
  void Unlock();

  Store& store_;
  Journal* const journal_;
  bool noted_ = false;  // that it writes, for the journal
  int64_t now_ms_;
  uint32_t now_s_;
  bool notes_use_ = true;
  ShardMask held_ = 0;
  std::vector<ReadyKey> ready_;
  // Removed, but not freed under the locks.
  std::vector<Entry::Pointer> garbage_;
  std::vector<std::unique_ptr<Database>> emptied_;
  int last_emptied_ = -1;  // in their order, as FLUSHALL does
};

// A value being changed in place. Removes the value when it became empty, and tells watchers if it
// changed: if its size is another one, or MarkChanged() was called (an overwrite).
template <typename T>
class Edit {
 public:
  Edit(LockedKeys& keys, int db, std::string_view key, IfAbsent if_absent)
      : keys_(keys), db_(db), key_(key), hash_(HashKey(key)), database_(keys.database(db, hash_)) {
    entry_ = keys_.Find(db, key, hash_);
    if (entry_ != nullptr && entry_->type() != kValueTypeOf<T>) {
      wrong_type_ = true;
      entry_ = nullptr;
    } else if (entry_ != nullptr) {
      size_before_ = value()->size();
    } else if (if_absent == IfAbsent::kCreate) {
      fresh_ = std::make_unique<T>();
    }
  }
  Edit(const Edit&) = delete;
  Edit& operator=(const Edit&) = delete;
  ~Edit() { Finish(); }

  bool wrong_type() const { return wrong_type_; }
  // False when the key is absent and was not to be created, or holds another type.
  explicit operator bool() const { return value() != nullptr; }
  T* operator->() { return value(); }
  T& operator*() { return *value(); }
  void MarkChanged() { changed_ = true; }

  // Ends the edit now instead of at the end of the scope.
  void Finish() {
    if (finished_ || value() == nullptr) return;
    finished_ = true;
    const size_t size = value()->size();
    if (size == 0) {
      if (entry_ != nullptr) keys_.Erase(database_, entry_, hash_);
    } else if (fresh_ != nullptr) {
      keys_.Add(db_, database_, Entry::NewObject(key_, std::move(fresh_)), hash_);
    } else if (changed_ || size != size_before_) {
      keys_.Changed(database_, entry_, hash_);
    }
  }

 private:
  T* value() const { return entry_ != nullptr ? &entry_->template object<T>() : fresh_.get(); }

  LockedKeys& keys_;
  const int db_;
  const std::string_view key_;
  const uint64_t hash_;
  Database& database_;
  Entry* entry_ = nullptr;
  std::unique_ptr<T> fresh_;
  size_t size_before_ = 0;
  bool wrong_type_ = false;
  bool changed_ = false;
  bool finished_ = false;
};

}  // namespace chorale
