#include "storage/layers/policy.h"

#include <gtest/gtest.h>

namespace chorale {
namespace {

TEST(LayerPolicyTest, TheFirstPatternThatMatchesGivesTheCapacity) {
  LayerPolicy policy;
  policy.capacity = 7;
  policy.exceptions = {{"http.*", 20}, {"http.request", 1}, {"*!", 3}};
  EXPECT_EQ(policy.CapacityOf("http.request"), 20);
  EXPECT_EQ(policy.CapacityOf("p.x1!"), 3);
  EXPECT_EQ(policy.CapacityOf("worker"), 7);
  EXPECT_EQ(policy.CapacityOf("HTTP.request"), 7);
}

TEST(LayerPolicyTest, APolicyIsTheSameOnlyIfAllOfItIs) {
  const LayerPolicy defaults;
  LayerPolicy other;
  EXPECT_EQ(defaults, other);
  other.exceptions = {{"*", defaults.capacity}};
  EXPECT_NE(defaults, other);
  other = defaults;
  other.scope = CapacityScope::kChannel;
  EXPECT_NE(defaults, other);
}

}  // namespace
}  // namespace chorale
