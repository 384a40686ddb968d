#include "bench/load/workloads/command_template.h"

#include <gtest/gtest.h>

namespace chorale::bench {
namespace {

TEST(CommandTemplateTest, NumbersAreWrittenOverTheirPlaces) {
  const CommandTemplate command({"MSET", "key:000000000000", "v", "key:000000000000", "v"});
  std::string out = "before";
  uint32_t next = 41;
  command.Append([&] { return ++next; }, &out);
  EXPECT_EQ(out,
            "before*5\r\n$4\r\nMSET\r\n$16\r\nkey:000000000042\r\n$1\r\nv\r\n"
            "$16\r\nkey:000000000043\r\n$1\r\nv\r\n");
}

TEST(CommandTemplateTest, ACommandWithoutNumbersIsAlwaysTheSame) {
  const CommandTemplate command({"PING"});
  std::string out;
  command.Append([] { return 7; }, &out);
  EXPECT_EQ(out, "*1\r\n$4\r\nPING\r\n");
}

TEST(CommandTemplateTest, ANumberAtTheEndOfATextIsReplaced) {
  std::string text = "group.000000000000";
  CommandTemplate::Overwrite(4'294'967'295, &text);
  EXPECT_EQ(text, "group.004294967295");
  CommandTemplate::Overwrite(3, &text);
  EXPECT_EQ(text, "group.000000000003");
}

}  // namespace
}  // namespace chorale::bench
