// Every script that EVALSHA may name, shared by all threads. Scripts that came by SCRIPT LOAD stay
// until SCRIPT FLUSH; those that came by EVAL are dropped, the longest unused first, when there are
// more than a limit of them, so that clients which build a new script for each call cannot fill the
// memory.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "broker/scripting/script.h"

namespace chorale {

// Thread-safe.
class ScriptCache {
 public:
  static constexpr size_t kEvalScripts = 500;

  explicit ScriptCache(size_t eval_scripts = kEvalScripts) : eval_scripts_(eval_scripts) {}

  // `sha` in any letter case. Null if there is no such script. Counts as a use.
  [[nodiscard]] std::shared_ptr<const Script> Find(std::string_view sha);
  // Without counting as a use: SCRIPT EXISTS.
  [[nodiscard]] bool Contains(std::string_view sha) const;

  void AddEvaluated(std::shared_ptr<const Script> script);
  void AddLoaded(std::shared_ptr<const Script> script);
  void Flush();

  // Grows with every Flush(): an interpreter that saw another epoch drops its compiled scripts.
  uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

  // For INFO.
  size_t size() const;
  size_t memory_used() const;  // bytes of sources, roughly
  uint64_t evicted() const { return evicted_.load(std::memory_order_acquire); }

 private:
  using UseOrder = std::list<std::string>;
  struct Entry {
    std::shared_ptr<const Script> script;
    bool loaded;
    UseOrder::iterator use;  // valid unless loaded
  };

  void Evict() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t eval_scripts_;
  std::atomic<uint64_t> epoch_ = 0;
  std::atomic<uint64_t> evicted_ = 0;

  mutable absl::Mutex mutex_;
  std::unordered_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  UseOrder use_order_ ABSL_GUARDED_BY(mutex_);  // of evaluated scripts, the least recent first
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace chorale
