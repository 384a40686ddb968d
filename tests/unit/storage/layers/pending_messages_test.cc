#include "storage/layers/pending_messages.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/storage/layers/random_history.h"

namespace chorale {
namespace {

// Also for one who is asked for together with many others, and for one who got nothing.
TEST(PendingMessagesTest, EachChannelIsCountedTheMessagesThatItGot) {
  std::mt19937 random(1);  // NOLINT: a fixed seed
  for (int round = 0; round < 500; ++round) {
    const RandomHistory history(random);
    std::vector<std::string_view> asked{"p!nobody"};
    for (const std::string& channel : history.channels) {
      if (random() % 2 == 0) asked.push_back(channel);
    }
    // A part of the history: what came before has been acknowledged.
    const auto begin = history.steps.begin() + static_cast<ptrdiff_t>(random() % 20);
    std::map<std::string, int64_t, std::less<>> expected;
    for (auto step = begin; step != history.steps.end(); ++step) {
      for (const std::string& receiver : step->second) ++expected[receiver];
    }
    PendingMessages pending(history.now, asked);
    for (auto step = history.steps.end(); step != begin;) pending.Undo((--step)->first);
    pending.Finish();
    for (const std::string_view channel : asked) {
      ASSERT_EQ(pending.For(channel), expected[std::string(channel)]) << channel;
    }
  }
}

}  // namespace
}  // namespace chorale
