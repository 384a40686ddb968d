#include "bench/load/key_choice.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace chorale::bench {
namespace {

constexpr int kDraws = 1 << 18;

std::vector<int> Count(Distribution distribution, uint32_t keys) {
  KeyChoice choice(distribution, keys, 1);
  std::vector<int> counts(keys);
  for (int i = 0; i < kDraws; ++i) ++counts.at(choice.Next());
  return counts;
}

// Within five standard deviations: a fixed seed, so that it holds always or never.
void ExpectShare(int count, double share) {
  const double expected = share * kDraws;
  EXPECT_NEAR(count, expected, 5 * std::sqrt(expected * (1 - share)) + 1);
}

TEST(KeyChoiceTest, UniformKeysAreChosenAlike) {
  for (const int count : Count(Distribution::kUniform, 10)) ExpectShare(count, 0.1);
}

TEST(KeyChoiceTest, ZipfsKeysHaveSharesThatFallWithTheirRank) {
  constexpr uint32_t kKeys = 1000;
  double sum = 0;
  for (uint32_t rank = 1; rank <= kKeys; ++rank) sum += std::pow(rank, -KeyChoice::kExponent);
  const std::vector<int> counts = Count(Distribution::kZipf, kKeys);
  for (uint32_t rank = 1; rank <= kKeys; ++rank) {
    SCOPED_TRACE(rank);
    ExpectShare(counts[rank - 1], std::pow(rank, -KeyChoice::kExponent) / sum);
  }
}

TEST(KeyChoiceTest, TheHotKeyIsTheOnlyOne) { EXPECT_EQ(Count(Distribution::kHot, 10)[0], kDraws); }

TEST(KeyChoiceTest, ASingleKeyIsAlwaysChosen) {
  for (const Distribution distribution : {Distribution::kUniform, Distribution::kZipf}) {
    EXPECT_EQ(Count(distribution, 1)[0], kDraws);
  }
}

TEST(KeyChoiceTest, OtherSeedsChooseOtherKeys) {
  KeyChoice one(Distribution::kUniform, 1'000'000, 1), other(Distribution::kUniform, 1'000'000, 2);
  int same = 0;
  for (int i = 0; i < 1000; ++i) same += one.Next() == other.Next() ? 1 : 0;
  EXPECT_LT(same, 5);
}

}  // namespace
}  // namespace chorale::bench
