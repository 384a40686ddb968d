#include "broker/prefetch.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "storage/key_hash.h"

namespace chorale {
namespace {

// Several commands about one key look into its value. Where they name no field or member nothing is
// lost but a little time.
void PrefetchParts(const CommandBatch& batch, size_t begin, size_t end, uint64_t key_hash,
                   Store& store, int db) {
  std::array<uint64_t, CommandBatch::kMostCommands> parts, scored;
  size_t part_count = 0, scored_count = 0;
  for (size_t i = begin; i < end; ++i) {
    const auto words = batch.arguments(i);
    if (words.size() > 2) parts[part_count++] = HashKey(words[2]);
    if (words.size() > 3) scored[scored_count++] = HashKey(words[3]);
  }
  if (part_count == 0) return;
  store.PrefetchParts(db, batch.arguments(begin)[1], key_hash, std::span(parts).first(part_count),
                      std::span(scored).first(scored_count));
}

}  // namespace

void PrefetchFor(const CommandBatch& batch, Store& store, int db) {
  std::array<uint64_t, CommandBatch::kMostCommands> hashes;
  size_t count = 0;
  size_t same_begin = 0;  // the commands from here on have the same key
  const auto end_run = [&](size_t end) {
    if (end - same_begin > 1) PrefetchParts(batch, same_begin, end, hashes[count - 1], store, db);
  };
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto words = batch.arguments(i);
    if (words.size() < 2) {
      end_run(i);
      same_begin = i + 1;
      continue;
    }
    if (i > same_begin && words[1] == batch.arguments(same_begin)[1]) continue;
    end_run(i);
    same_begin = i;
    hashes[count++] = HashKey(words[1]);
  }
  end_run(batch.size());
  store.Prefetch(db, std::span(hashes).first(count));
}

}  // namespace chorale
