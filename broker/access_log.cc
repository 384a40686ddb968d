#include "broker/access_log.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace chorale {
namespace {

constexpr int64_t kTogetherMs = 60'000;
// Whoever has no password must not fill the memory with names.
constexpr size_t kMaxUserBytes = 128;

}  // namespace

void AccessLog::Add(std::string_view object, std::string_view user, std::string client,
                    int64_t now_ms, size_t max_length) {
  user = user.substr(0, kMaxUserBytes);
  absl::MutexLock lock(&mutex_);
  const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.object == object && entry.user == user && now_ms - entry.updated_ms <= kTogetherMs;
  });
  Entry entry;
  if (same != entries_.end()) {
    entry = std::move(*same);
    entries_.erase(same);
  } else {
    entry.id = next_id_++;
    entry.object = object;
    entry.user = user;
    entry.created_ms = now_ms;
  }
  ++entry.count;
  entry.client = std::move(client);
  entry.updated_ms = now_ms;
  entries_.push_front(std::move(entry));
  if (entries_.size() > max_length) entries_.resize(max_length);
}

std::vector<AccessLog::Entry> AccessLog::Latest(size_t count) const {
  absl::MutexLock lock(&mutex_);
  const auto wanted = static_cast<std::ptrdiff_t>(std::min(count, entries_.size()));
  return {entries_.begin(), entries_.begin() + wanted};
}

void AccessLog::Clear() {
  absl::MutexLock lock(&mutex_);
  entries_.clear();
}

}  // namespace chorale
