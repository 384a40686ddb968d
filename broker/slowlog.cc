#include "broker/slowlog.h"

#include <algorithm>
#include <utility>

#include "broker/clock.h"

namespace chorale {
namespace {

constexpr size_t kMaxArguments = 32;
constexpr size_t kMaxArgumentBytes = 128;

std::string Trimmed(std::string_view arg) {
  std::string text(arg.substr(0, kMaxArgumentBytes));
  if (arg.size() > kMaxArgumentBytes) {
    text += "... (" + std::to_string(arg.size() - kMaxArgumentBytes) + " more bytes)";
  }
  return text;
}

}  // namespace

void SlowLog::Add(Arguments args, int64_t duration_us, std::string address, std::string name,
                  size_t max_length) {
  Entry entry{0, UnixMicros() / 1000000, duration_us, {}, std::move(address), std::move(name)};
  const size_t kept = args.size() > kMaxArguments ? kMaxArguments - 1 : args.size();
  for (size_t i = 0; i < kept; ++i) entry.args.push_back(Trimmed(args[i]));
  if (kept < args.size()) {
    entry.args.push_back("... (" + std::to_string(args.size() - kept) + " more arguments)");
  }
  absl::MutexLock lock(&mutex_);
  entry.id = next_id_++;
  entries_.push_front(std::move(entry));
  while (entries_.size() > max_length) entries_.pop_back();
}

std::vector<SlowLog::Entry> SlowLog::Latest(int64_t count) const {
  absl::MutexLock lock(&mutex_);
  const size_t all = entries_.size();
  const size_t wanted = count < 0 ? all : std::min(all, static_cast<size_t>(count));
  return {entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(wanted)};
}

size_t SlowLog::size() const {
  absl::MutexLock lock(&mutex_);
  return entries_.size();
}

void SlowLog::Clear() {
  absl::MutexLock lock(&mutex_);
  entries_.clear();
}

}  // namespace chorale
