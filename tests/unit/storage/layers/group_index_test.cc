#include "storage/layers/group_index.h"

#include "tests/unit/storage/layers/mailbox_fixture.h"

namespace chorale {
namespace {

// The fixture's mailbox is one of the members.
class GroupIndexTest : public MailboxFixture {
 protected:
  size_t JoinGeneral(const std::vector<std::string_view>& channels, int64_t expires_at_ms) {
    return groups_.Join("chat", channels, expires_at_ms, now_ms_);
  }
  size_t DiscardGeneral(const std::vector<std::string_view>& channels) {
    return groups_.Discard("chat", channels, now_ms_);
  }
  void Tidy(int64_t now_ms) {
    for (size_t part = 0; part < GroupIndex::kParts; ++part) groups_.Tidy(part, now_ms);
  }
  Strings General(int64_t now_ms) {
    Strings channels = groups_.Find("chat", now_ms).channels;
    std::sort(channels.begin(), channels.end());
    return channels;
  }
};

TEST_F(GroupIndexTest, AMailboxIsThereOnceHoweverManyMembersItHas) {
  Join("chat", {"p.one!a", "p.one!b"});
  Join("chat", {"p.one!c"});
  EXPECT_EQ(groups_.Find("chat", now_ms_).mailboxes.size(), 1u);
  Discard("chat", {"p.one!a", "p.one!b"});
  EXPECT_EQ(groups_.Find("chat", now_ms_).mailboxes.size(), 1u);
  Discard("chat", {"p.one!c"});
  EXPECT_TRUE(groups_.Find("chat", now_ms_).mailboxes.empty());
}

TEST_F(GroupIndexTest, AGroupIsThereAsLongAsItHasAMemberOfEitherKind) {
  JoinGeneral({"worker"}, now_ms_ + 10);
  Join("chat", {"p.one!a"});
  EXPECT_EQ(DiscardGeneral({"worker", "stranger"}), 1u);
  EXPECT_EQ(groups_.Names(), Strings{"chat"});
  Discard("chat", {"p.one!a"});
  EXPECT_TRUE(groups_.Names().empty());
  EXPECT_EQ(DiscardGeneral({"worker"}), 0u);
  EXPECT_TRUE(groups_.Names().empty());
}

TEST_F(GroupIndexTest, GeneralMembersExpireAtTheirTimeAlsoBeforeTheyAreTidied) {
  JoinGeneral({"a", "b"}, now_ms_ + 10);
  JoinGeneral({"b"}, now_ms_ + 20);
  EXPECT_EQ(General(now_ms_ + 9), (Strings{"a", "b"}));
  EXPECT_EQ(General(now_ms_ + 10), Strings{"b"});
  Tidy(now_ms_ + 10);
  EXPECT_EQ(General(0), Strings{"b"});
  Tidy(now_ms_ + 20);
  EXPECT_TRUE(groups_.Names().empty());
}

TEST_F(GroupIndexTest, AMemberWhoseTimeHasPassedIsNoneAlsoBeforeHeIsTidied) {
  JoinGeneral({"a", "b"}, now_ms_ + 10);
  now_ms_ += 10;
  EXPECT_EQ(JoinGeneral({"a"}, now_ms_ + 10), 1u);
  EXPECT_EQ(DiscardGeneral({"b"}), 0u);
  EXPECT_EQ(counters_.expired_members, 2u);
}

TEST_F(GroupIndexTest, TidyingFindsWhoeverExpiresNextHoweverOftenItFoundNobody) {
  JoinGeneral({"long"}, now_ms_ + 1000);
  Tidy(now_ms_);
  JoinGeneral({"short"}, now_ms_ + 10);
  Tidy(now_ms_ + 9);
  EXPECT_EQ(counters_.expired_members, 0u);
  Tidy(now_ms_ + 10);
  EXPECT_EQ(counters_.expired_members, 1u);
  Tidy(now_ms_ + 1000);
  EXPECT_TRUE(groups_.Names().empty());
}

TEST_F(GroupIndexTest, TidyingLeavesMailboxesAlone) {
  Join("chat", {"p.one!a"});
  JoinGeneral({"a"}, now_ms_ + 10);
  Tidy(now_ms_ + 10);
  EXPECT_EQ(groups_.Find("chat", now_ms_).mailboxes.size(), 1u);
}

}  // namespace
}  // namespace chorale
