#include "storage/database.h"

#include <utility>

namespace chorale {

Entry* Database::Insert(Entry::Pointer entry, uint64_t hash) {
  Entry* inserted = entry.release();
  entries_.Insert(inserted, hash);
  return inserted;
}

Entry* Database::Replace(Entry* old, Entry::Pointer entry, uint64_t hash) {
  Entry* inserted = entry.release();
  entries_.Replace(old, inserted, hash);
  inserted->set_expiry_slot(old->expiry_slot());
  if (old->expiry_slot() != Entry::kNoExpiry) expiries_[old->expiry_slot()].entry = inserted;
  Entry::Destroy(old);
  return inserted;
}

Entry::Pointer Database::Remove(Entry* entry, uint64_t hash) {
  ClearExpiry(entry);
  return Entry::Pointer(entries_.Remove(entry->key(), hash));
}

void Database::Clear() {
  entries_.Drain([](Entry* entry) { Entry::Destroy(entry); });
  expiries_ = {};
}

void Database::SwapContents(Database& other) {
  std::swap(entries_, other.entries_);
  std::swap(expiries_, other.expiries_);
  std::swap(unsaved, other.unsaved);
}

void Database::SetExpiry(Entry* entry, int64_t at_ms) {
  if (entry->expiry_slot() != Entry::kNoExpiry) {
    expiries_[entry->expiry_slot()].at_ms = at_ms;
    return;
  }
  entry->set_expiry_slot(static_cast<uint32_t>(expiries_.size()));
  expiries_.push_back({entry, at_ms});
}

bool Database::ClearExpiry(Entry* entry) {
  const uint32_t slot = entry->expiry_slot();
  if (slot == Entry::kNoExpiry) return false;
  expiries_[slot] = expiries_.back();
  expiries_[slot].entry->set_expiry_slot(slot);
  expiries_.pop_back();
  entry->set_expiry_slot(Entry::kNoExpiry);
  return true;
}

size_t Database::MemoryUsage() const {
  return entries_.MemoryUsage() + expiries_.capacity() * sizeof(Expiry);
}

}  // namespace chorale
