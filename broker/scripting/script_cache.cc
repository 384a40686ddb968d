#include "broker/scripting/script_cache.h"

#include <utility>

namespace chorale {
namespace {

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return lower;
}

size_t Weight(const Script& script) { return sizeof(Script) + script.source.capacity(); }

}  // namespace

std::shared_ptr<const Script> ScriptCache::Find(std::string_view sha) {
  const std::string name = LowerCase(sha);
  absl::MutexLock lock(&mutex_);
  const auto it = entries_.find(name);
  if (it == entries_.end()) return nullptr;
  if (!it->second.loaded) use_order_.splice(use_order_.end(), use_order_, it->second.use);
  return it->second.script;
}

bool ScriptCache::Contains(std::string_view sha) const {
  const std::string name = LowerCase(sha);
  absl::MutexLock lock(&mutex_);
  return entries_.contains(name);
}

void ScriptCache::AddEvaluated(std::shared_ptr<const Script> script) {
  absl::MutexLock lock(&mutex_);
  const auto [it, added] = entries_.try_emplace(script->sha);
  if (!added) return;
  bytes_ += Weight(*script);
  const auto use = use_order_.insert(use_order_.end(), script->sha);
  it->second = {std::move(script), false, use};
  while (use_order_.size() > eval_scripts_) Evict();
}

void ScriptCache::Evict() {
  const auto it = entries_.find(use_order_.front());
  bytes_ -= Weight(*it->second.script);
  entries_.erase(it);
  use_order_.pop_front();
  evicted_.fetch_add(1, std::memory_order_release);
}

void ScriptCache::AddLoaded(std::shared_ptr<const Script> script) {
  absl::MutexLock lock(&mutex_);
  const auto [it, added] = entries_.try_emplace(script->sha);
  if (added) {
    bytes_ += Weight(*script);
    it->second = {std::move(script), true, use_order_.end()};
  } else if (!it->second.loaded) {
    use_order_.erase(it->second.use);
    it->second.loaded = true;
  }
}

void ScriptCache::Flush() {
  absl::MutexLock lock(&mutex_);
  entries_.clear();
  use_order_.clear();
  bytes_ = 0;
  epoch_.fetch_add(1, std::memory_order_release);
}

size_t ScriptCache::size() const {
  absl::MutexLock lock(&mutex_);
  return entries_.size();
}

size_t ScriptCache::memory_used() const {
  absl::MutexLock lock(&mutex_);
  return bytes_;
}

}  // namespace chorale
