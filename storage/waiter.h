// A client that waits for a key to hold something: BLPOP, BZPOPMIN and their kin.
//
// How blocking works. A blocking command tries its keys and, when all are empty, registers its
// waiter on each of them, in one critical section: nothing can be pushed in between. A key that
// comes into being marks itself ready in the LockedKeys token that the writer holds; when the
// token is released (after the command, after the whole EXEC or script) each ready key's waiters
// are served in the order of their arrival, still under the locks. Waiters whose effect needs
// another key as well (BLMOVE's destination) are served right after the release, under a second
// token with both keys; nobody is dropped in between, they merely stay registered.
//
// A waiter on several keys may be reached by two writers at once; Claim() lets one of them win.
// The owner of the waiter ends it (time-out, disconnect, CLIENT UNBLOCK) with
// LockedKeys::Unregister.

#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/entry.h"

namespace chorale {

class LockedKeys;

class Waiter {
 public:
  // `target` is a further key that Serve() touches, or empty.
  Waiter(int db, std::vector<std::string> keys, ValueType wanted, std::string target = {})
      : db_(db), keys_(std::move(keys)), wanted_(wanted), target_(std::move(target)) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  virtual ~Waiter() = default;

  // Takes from `key`, which holds a value of the wanted type, and hands the result over without
  // blocking. Runs on the writer's thread with the shards of `key` and target() locked, once.
  virtual void Serve(LockedKeys& keys, const std::string& key) = 0;

  // True for the first caller only.
  [[nodiscard]] bool Claim() { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  bool claimed() const { return claimed_.load(std::memory_order_acquire); }

  int db() const { return db_; }
  const std::vector<std::string>& keys() const { return keys_; }
  ValueType wanted() const { return wanted_; }
  const std::string& target() const { return target_; }

 private:
  const int db_;
  const std::vector<std::string> keys_;
  const ValueType wanted_;
  const std::string target_;
  std::atomic<bool> claimed_ = false;
};

using WaiterPointer = std::shared_ptr<Waiter>;

// What WATCH leaves at a key: set once the key changed. Shared by the client and the shards.
struct WatchFlag {
  std::atomic<bool> changed = false;
};

}  // namespace chorale
