// The part of one numbered database that lives in one shard: its keys, their expiries, who waits
// for a key and who watches one. Guarded by the shard's lock; reached through LockedKeys.

#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/entry.h"
#include "storage/hash_table.h"
#include "storage/string_map.h"
#include "storage/unsaved.h"
#include "storage/waiter.h"

namespace chorale {

class Database {
 public:
  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() { Clear(); }

  const HashTable<Entry>& entries() const { return entries_; }
  size_t expiring() const { return expiries_.size(); }

  Entry* Find(std::string_view key, uint64_t hash) const { return entries_.Find(key, hash); }
  Entry* Insert(Entry::Pointer entry, uint64_t hash);
  // Puts `entry` in the place of `old`, which has the same key and is freed. Keeps the expiry.
  Entry* Replace(Entry* old, Entry::Pointer entry, uint64_t hash);
  void Erase(Entry* entry, uint64_t hash) { Remove(entry, hash).reset(); }
  // Like Erase, but leaves the freeing to the caller.
  [[nodiscard]] Entry::Pointer Remove(Entry* entry, uint64_t hash);
  void Clear();
  // Exchanges keys, expiries and what is unsaved of them; waiters and watches stay with the number
  // of the database.
  void SwapContents(Database& other);

  // Expiries are Unix times in milliseconds.
  void SetExpiry(Entry* entry, int64_t at_ms);
  bool ClearExpiry(Entry* entry);  // true when there was one
  int64_t expiry(const Entry* entry) const {
    return entry->expiry_slot() == Entry::kNoExpiry ? kNever
                                                    : expiries_[entry->expiry_slot()].at_ms;
  }
  static constexpr int64_t kNever = -1;

  // An entry that has an expiry, by position in [0, expiring()).
  Entry* ExpiringEntry(size_t position) const { return expiries_[position].entry; }
  int64_t ExpiryAt(size_t position) const { return expiries_[position].at_ms; }

  size_t next_to_expire = 0;  // Where active expiry goes on.
  UnsavedNames unsaved;       // keys
  StringMap<std::list<WaiterPointer>> waiters;
  StringMap<std::vector<std::shared_ptr<WatchFlag>>> watches;

  size_t MemoryUsage() const;

 private:
  struct Expiry {
    Entry* entry;
    int64_t at_ms;
  };

  HashTable<Entry> entries_;
  std::vector<Expiry> expiries_;  // Unordered: an entry knows its slot, the last fills a gap.
};

}  // namespace chorale
