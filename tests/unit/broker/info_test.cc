#include "broker/info.h"

#include <gtest/gtest.h>

#include "broker/info_sections.h"
#include "storage/store.h"

namespace chorale {
namespace {

TEST(HumanBytes, ShowsBytesAsRedisDoes) {
  EXPECT_EQ(HumanBytes(0), "0B");
  EXPECT_EQ(HumanBytes(1023), "1023B");
  EXPECT_EQ(HumanBytes(1024), "1.00K");
  EXPECT_EQ(HumanBytes(1536), "1.50K");
  EXPECT_EQ(HumanBytes(uint64_t{5} << 20), "5.00M");
  EXPECT_EQ(HumanBytes(uint64_t{3} << 30), "3.00G");
  EXPECT_EQ(HumanBytes(uint64_t{7} << 40), "7.00T");
}

TEST(InfoWriter, SeparatesSectionsByABlankLine) {
  InfoWriter out;
  out.Title("One");
  out.Field("a", 1);
  out.Title("Two");
  out.Bytes("b", 2048);
  EXPECT_EQ(out.Take(), "# One\r\na:1\r\n\r\n# Two\r\nb:2048\r\nb_human:2.00K\r\n");
}

TEST(SummarizeKeyspace, CountsKeysAndAveragesWhatIsLeftOfTheirTime) {
  constexpr int64_t kNow = 1000000;
  Store store(2);
  LockedKeys keys(store, kNow);
  keys.Lock(Store::kAllShards);
  for (const char* key : {"a", "b", "c"}) keys.SetString(1, key, "value");
  keys.SetExpiry(1, keys.Find(1, "a"), kNow + 1000);
  keys.SetExpiry(1, keys.Find(1, "b"), kNow + 3000);
  const KeyspaceSummary summary = SummarizeKeyspace(keys);
  ASSERT_EQ(summary.databases.size(), 2);
  EXPECT_EQ(summary.databases[0].keys, 0);
  EXPECT_EQ(summary.databases[1].keys, 3);
  EXPECT_EQ(summary.databases[1].expiring, 2);
  EXPECT_EQ(summary.databases[1].average_ttl_ms, 2000);
}

}  // namespace
}  // namespace chorale
