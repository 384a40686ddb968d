// What was refused to whom, for ACL LOG: failed attempts to authenticate, the latest first.
// Thread-safe. https://redis.io/docs/latest/commands/acl-log/

#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace chorale {

class AccessLog {
 public:
  struct Entry {
    int64_t id = 0;
    int64_t count = 0;
    std::string object;  // the command that tried, AUTH or HELLO, as it was written
    std::string user;
    std::string client;  // the line of CLIENT LIST of the one that tried last
    int64_t created_ms = 0;
    int64_t updated_ms = 0;
  };

  // Attempts with the same command as the same user count as one entry while less than a minute
  // lies between them. Keeps at most `max_length` entries.
  void Add(std::string_view object, std::string_view user, std::string client, int64_t now_ms,
           size_t max_length);
  [[nodiscard]] std::vector<Entry> Latest(size_t count) const;
  void Clear();

 private:
  mutable absl::Mutex mutex_;
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  int64_t next_id_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace chorale
