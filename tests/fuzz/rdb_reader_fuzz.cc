// Reads a byte stream as an RDB file, whole and in pieces, which must end in the same keys and the
// same error; and as each of the packed encodings, whose lengths a change inside a file would
// seldom leave right. The files of the corpus carry no checksum, so that a changed one is read on.
//
//   build/clang/bin/rdb_reader_fuzz -max_total_time=60 build/fuzz-corpus
//   tests/fuzz/corpus/rdb_reader

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "storage/rdb/packed_encodings.h"
#include "storage/rdb/rdb_reader.h"

namespace chorale {
namespace {

constexpr int kDatabases = 16;
constexpr int64_t kNow = 1'700'000'000'000;

void Check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "the reader broke a promise: %s\n", what);
  std::abort();
}

// The keys with what describes them, and how the reading ended.
std::string Read(std::string_view bytes, size_t piece) {
  std::string told;
  const auto source = [&](std::span<char> room) -> absl::StatusOr<size_t> {
    const size_t size = bytes.copy(room.data(), std::min(piece, room.size()));
    bytes.remove_prefix(size);
    return size;
  };
  const auto sink = [&](int database, Entry::Pointer entry, int64_t expiry_ms) {
    Check(database >= 0 && database < kDatabases, "a database exists");
    Check(entry != nullptr && entry->MemoryUsage() > 0, "a key has a value");
    told.append(entry->key()).append(entry->encoding());
    told += std::to_string(database) + std::to_string(expiry_ms) + ",";
    return absl::OkStatus();
  };
  const absl::StatusOr<RdbSummary> summary = ReadRdb(source, kDatabases, kNow, sink);
  return told + (summary.ok() ? FormatRdbSummary(*summary) : summary.status().ToString());
}

void VisitPacked(std::string_view bytes) {
  using Visit = bool (*)(std::string_view bytes, rdb::ElementVisitor visit);
  for (const Visit visit :
       {rdb::VisitZiplist, rdb::VisitListpack, rdb::VisitZipmap, rdb::VisitIntset}) {
    std::string elements;
    const bool sound = visit(bytes, [&](std::string_view element) {
      elements += element;
      return true;
    });
    Check(!sound || !bytes.empty(), "nothing is no encoding of anything");
  }
}

}  // namespace
}  // namespace chorale

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = chorale::Read(bytes, bytes.size());
  chorale::Check(chorale::Read(bytes, 1 + size % 7) == whole, "pieces change nothing");
  chorale::VisitPacked(bytes);
  return 0;
}
