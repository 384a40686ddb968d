#include "broker/lease.h"

#include <utility>

#include "broker/io_thread.h"
#include "broker/server.h"
#include "storage/sorted_set.h"

namespace chorale {
namespace {

// Of the leases on one key; the member follows.
std::string PrefixOf(int db, std::string_view key) {
  std::string prefix = std::to_string(db);
  prefix.append(1, '/').append(std::to_string(key.size())).append(1, '/').append(key);
  return prefix;
}

std::string NameOf(int db, std::string_view key, std::string_view member) {
  return PrefixOf(db, key).append(member);
}

std::string NameOf(const LeasedMessage& message) {
  return NameOf(message.db, message.key, message.member);
}

}  // namespace

Lease::Lease(LeaseRegistry& registry, LeasedMessage message)
    : registry_(registry), message_(std::move(message)) {
  registry_.Add(this);
}

Lease::~Lease() { registry_.Remove(this); }

void LeaseRegistry::Add(Lease* lease) {
  absl::MutexLock lock(&mutex_);
  leases_[NameOf(lease->message())] = lease;
  count_.store(leases_.size(), std::memory_order_release);
}

void LeaseRegistry::Remove(const Lease* lease) {
  absl::MutexLock lock(&mutex_);
  const auto found = leases_.find(NameOf(lease->message()));
  // A message that was given back and popped again has a newer lease of the same name.
  if (found == leases_.end() || found->second != lease) return;
  leases_.erase(found);
  count_.store(leases_.size(), std::memory_order_release);
}

void LeaseRegistry::ConfirmLeased(int db, std::string_view backup_key, std::string_view member) {
  const std::string_view key = backup_key.substr(0, backup_key.size() - kBackupSuffix.size());
  absl::MutexLock lock(&mutex_);
  const auto found = leases_.find(NameOf(db, key, member));
  if (found != leases_.end()) found->second->confirmed_.store(true, std::memory_order_release);
}

bool LeaseRegistry::FindUnconfirmed(int db, std::string_view key) {
  const std::string prefix = PrefixOf(db, key);
  absl::MutexLock lock(&mutex_);
  for (auto lease = leases_.lower_bound(prefix);
       lease != leases_.end() && lease->first.starts_with(prefix); ++lease) {
    if (!lease->second->confirmed()) return true;
  }
  return false;
}

void GiveBack(IoThread& thread, std::unique_ptr<Lease> lease) {
  if (lease->confirmed()) return;
  thread.server().statistics().thread(thread.index()).returned_leases.Add();
  const ShardMask shards = Store::MaskOf(lease->message().key);
  // Shared, because the work must be copyable.
  thread.WithKeys(shards, [lease = std::shared_ptr<Lease>(std::move(lease))](LockedKeys& keys) {
    const LeasedMessage& message = lease->message();
    const bool expires = message.expiry_ms != Database::kNever;
    if (expires && message.expiry_ms <= keys.now_ms()) return;
    const bool existed = keys.Exists(message.db, message.key);
    Edit<SortedSet> queue(keys, message.db, message.key, IfAbsent::kCreate);
    if (!queue) return;  // The key holds another type by now.
    queue->Add(message.member, message.score, {.only_new = true});
    queue.Finish();
    if (existed || !expires) return;
    keys.SetExpiry(message.db, keys.Find(message.db, message.key), message.expiry_ms);
  });
}

}  // namespace chorale
