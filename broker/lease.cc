#include "broker/lease.h"

#include <utility>

#include "broker/io_thread.h"
#include "broker/server.h"
#include "storage/sorted_set.h"

namespace chorale {

void GiveBack(IoThread& thread, std::unique_ptr<Lease> lease) {
  thread.server().statistics().thread(thread.index()).returned_leases.Add();
  const ShardMask shards = Store::MaskOf(lease->key);
  // Shared, because the work must be copyable.
  thread.WithKeys(shards, [lease = std::shared_ptr<Lease>(std::move(lease))](LockedKeys& keys) {
    if (lease->expiry_ms != Database::kNever && lease->expiry_ms <= keys.now_ms()) return;
    const bool existed = keys.Exists(lease->db, lease->key);
    Edit<SortedSet> queue(keys, lease->db, lease->key, IfAbsent::kCreate);
    if (!queue) return;  // The key holds another type by now.
    queue->Add(lease->member, lease->score, {.only_new = true});
    queue.Finish();
    if (existed || lease->expiry_ms == Database::kNever) return;
    keys.SetExpiry(lease->db, keys.Find(lease->db, lease->key), lease->expiry_ms);
  });
}

}  // namespace chorale
