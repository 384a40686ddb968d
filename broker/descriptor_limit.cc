#include "broker/descriptor_limit.h"

#include <sys/resource.h>

#include <algorithm>

namespace chorale {
namespace {

// Of the process itself: a few for each I/O thread, the listeners, the log.
constexpr rlim_t kOwn = 64;

}  // namespace

int64_t RaiseDescriptorLimit(int64_t clients) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return clients;
  const auto wanted = static_cast<rlim_t>(clients) + kOwn;
  if (limit.rlim_cur >= wanted) return clients;
  // Only a privileged process may raise the hard limit; others get as far as it allows.
  const rlimit raised{wanted, std::max(wanted, limit.rlim_max)};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) return clients;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0 && ::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return clients;
  }
  if (limit.rlim_cur >= wanted) return clients;
  return static_cast<int64_t>(std::max<rlim_t>(limit.rlim_cur, kOwn + 1) - kOwn);
}

}  // namespace chorale
