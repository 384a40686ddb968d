#include "storage/layers/policy.h"

#include "storage/glob.h"

namespace chorale {

int64_t LayerPolicy::CapacityOf(std::string_view name) const {
  for (const Exception& exception : exceptions) {
    if (GlobMatches(exception.pattern, name)) return exception.capacity;
  }
  return capacity;
}

}  // namespace chorale
