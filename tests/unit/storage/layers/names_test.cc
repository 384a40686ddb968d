#include "storage/layers/names.h"

#include <gtest/gtest.h>

#include <string>

namespace chorale {
namespace {

TEST(NamesTest, OfAChannelHaveTheCharactersOfTheSpecificationAndNoOther) {
  const std::string allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool plain = c != '\0' && allowed.find(c) != std::string::npos;
    const std::string name = std::string("a") + c + "b";
    EXPECT_EQ(IsGroupName(name), plain) << byte;
    EXPECT_EQ(IsChannelName(name), plain || c == '!') << byte;
    EXPECT_EQ(IsMailboxName(name + "!"), plain) << byte;
  }
}

TEST(NamesTest, HaveUpToAHundredCharactersWithTheMark) {
  const std::string longest(100, 'x');
  EXPECT_TRUE(IsChannelName(longest));
  EXPECT_TRUE(IsGroupName(longest));
  EXPECT_TRUE(IsLayerName(longest));
  EXPECT_FALSE(IsChannelName(longest + "x"));
  EXPECT_FALSE(IsGroupName(longest + "x"));
  EXPECT_FALSE(IsLayerName(longest + "x"));
  EXPECT_TRUE(IsMailboxName(std::string(99, 'x') + "!"));
  EXPECT_FALSE(IsMailboxName(longest + "!"));
  EXPECT_TRUE(IsChannelName(std::string(98, 'x') + "!x"));
  EXPECT_FALSE(IsChannelName(std::string(99, 'x') + "!x"));
}

TEST(NamesTest, OfAChannelHaveTheMarkBetweenTwoParts) {
  for (const char* bad : {"", "!", "a!", "!b", "a!b!c", "a!!b", "!!"}) {
    EXPECT_FALSE(IsChannelName(bad)) << bad;
  }
  for (const char* bad : {"", "!", "a", "!a!", "a!!", "a!b"})
    EXPECT_FALSE(IsMailboxName(bad)) << bad;
  EXPECT_FALSE(IsGroupName("a!b"));
  EXPECT_FALSE(IsGroupName(""));
}

TEST(NamesTest, OfALayerMayBeAnythingButEmptyOrWithANul) {
  EXPECT_TRUE(IsLayerName("with space \n \xff !"));
  EXPECT_FALSE(IsLayerName(""));
  EXPECT_FALSE(IsLayerName(std::string("a\0b", 3)));
  EXPECT_FALSE(IsLayerName(std::string("\0", 1)));
}

TEST(NamesTest, TheMailboxOfAChannelIsThePartUpToTheMark) {
  EXPECT_EQ(MailboxOf("specific.Vb3!xK"), "specific.Vb3!");
  EXPECT_EQ(MailboxOf("worker"), "");
  EXPECT_EQ(MailboxOf("a!b!c"), "a!");
}

TEST(NamesTest, NoTwoQueuesHaveTheSameKeyWhateverTheLayersAreCalled) {
  EXPECT_NE(QueueKey("a", "bc"), QueueKey("ab", "c"));
  for (const char* layer : {"a", "a b", "\xff", "worker"}) {
    const std::string key = QueueKey(layer, "worker");
    EXPECT_EQ(LayerOfQueue(key), layer);
    EXPECT_EQ(ChannelOfQueue(key), "worker");
  }
}

}  // namespace
}  // namespace chorale
