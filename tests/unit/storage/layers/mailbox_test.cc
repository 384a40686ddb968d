#include "storage/layers/mailbox.h"

#include <ctime>
#include <limits>

#include "tests/unit/storage/layers/mailbox_fixture.h"

namespace chorale {
namespace {

using Acknowledged = Mailbox::Acknowledged;
using MailboxTest = MailboxFixture;

// ---- events and their owner ----

TEST_F(MailboxTest, AnOwnerIsWokenOnceForAllThatHeHasNotTaken) {
  const Owner owner = Open();
  EXPECT_EQ(owner->wakes, 0);
  Send("p.one!a", "1");
  Send("p.one!b", "2");
  EXPECT_EQ(owner->wakes, 1);
  EXPECT_EQ(Take(owner), (Strings{"message p.one!a=1", "message p.one!b=2"}));
  Send("p.one!a", "3");
  EXPECT_EQ(owner->wakes, 2);
}

TEST_F(MailboxTest, AnOwnerWhoTakesAPartIsToTakeTheRestWithoutBeingWoken) {
  const Owner owner = Open();
  for (const char* text : {"1", "2", "3"}) Send("p.one!a", text);
  bool all = mailbox_->Take(owner.get(), {2}, now_ms_, [](uint64_t, const MailboxEvent&) {});
  EXPECT_FALSE(all);
  Send("p.one!a", "4");
  EXPECT_EQ(owner->wakes, 1);
  EXPECT_EQ(Take(owner), (Strings{"message p.one!a=3", "message p.one!a=4"}));
  all = mailbox_->Take(owner.get(), {1}, now_ms_, [](uint64_t, const MailboxEvent&) { FAIL(); });
  EXPECT_TRUE(all);
}

TEST_F(MailboxTest, AnOwnerIsShownWhatHeHasRoomForAndAtLeastOneEvent) {
  const Owner owner = Open();
  for (int i = 0; i < 4; ++i) Send("p.one!a", std::string(1000, 'x'));
  size_t shown = 0;
  const auto take = [&](size_t bytes) {
    return mailbox_->Take(owner.get(), {100, bytes}, now_ms_,
                          [&](uint64_t, const MailboxEvent&) { ++shown; });
  };
  EXPECT_FALSE(take(1));
  EXPECT_EQ(shown, 1u);
  EXPECT_FALSE(take(1500));
  EXPECT_EQ(shown, 3u);
  EXPECT_TRUE(take(1500));
  EXPECT_EQ(shown, 4u);
}

TEST_F(MailboxTest, WhatExpiresBeforeAnOwnerTakesItIsNotShown) {
  policy_.capacity = 2;
  const Owner owner = Open();
  Send("p.one!a", "old");
  now_ms_ += 1;
  Send("p.one!a", "new");
  EXPECT_FALSE(Send("p.one!a"));
  now_ms_ += policy_.expiry_ms - 1;
  EXPECT_EQ(mailbox_->Unread(now_ms_), 1);
  EXPECT_TRUE(Send("p.one!a", "newest")) << "there is room again";
  EXPECT_EQ(Take(owner), (Strings{"message p.one!a=new", "message p.one!a=newest"}));
  EXPECT_EQ(counters_.expired, 1u);
}

TEST_F(MailboxTest, WhoeverIsNoLongerTheOwnerIsShownNothing) {
  const Owner older = Open();
  Send("p.one!a");
  const uint64_t epoch = opened_.epoch;
  const Owner newer = Open();
  EXPECT_EQ(older->taken, std::vector<uint64_t>{epoch});
  EXPECT_EQ(Take(older), Strings{});
  EXPECT_EQ(Ack(older, 0, 0), Acknowledged::kNotTheOwner);
  Leave(older);
  EXPECT_FALSE(mailbox_->Close(older.get()));
  EXPECT_EQ(Take(newer), Strings{"message p.one!a=m"});
  EXPECT_TRUE(newer->taken.empty());
}

TEST_F(MailboxTest, TheOwnerIsTakenFromByTheEpochThatHeKnowsAlsoIfHeMissedAReset) {
  const Owner older = Open();
  const uint64_t known = opened_.epoch;
  mailbox_->Flush();
  Open();
  EXPECT_EQ(older->taken, std::vector<uint64_t>{known});
}

// ---- coming back ----

TEST_F(MailboxTest, AResumeGoesOnAfterTheLastEventThatArrived) {
  Owner owner = Open();
  const uint64_t epoch = opened_.epoch;
  for (const char* text : {"1", "2", "3"}) Send("p.one!a", text);
  Take(owner);
  Leave(owner);
  Send("p.one!a", "4");
  owner = Open(Mailbox::Resume{epoch, 1});
  EXPECT_EQ(opened_.epoch, epoch);
  EXPECT_EQ(opened_.last, 1u);
  EXPECT_EQ(owner->wakes, 1);
  EXPECT_EQ(Take(owner), (Strings{"message p.one!a=2", "message p.one!a=3", "message p.one!a=4"}));
  EXPECT_EQ(counters_.resumed, 1u);
  EXPECT_EQ(counters_.reset, 0u);
}

TEST_F(MailboxTest, AResumeWithAWrongNumberNeverRepeatsWhatWasAcknowledged) {
  const Owner owner = Open();
  const uint64_t epoch = opened_.epoch;
  Send("p.one!a", "1");
  Send("p.one!a", "2");
  Take(owner);
  EXPECT_EQ(Ack(owner, 1, 0), Acknowledged::kYes);
  for (const Mailbox::Resume wrong :
       {Mailbox::Resume{epoch, 0}, Mailbox::Resume{epoch, 3},
        Mailbox::Resume{epoch, std::numeric_limits<uint64_t>::max()}, Mailbox::Resume{0, 1}}) {
    const Owner other = Open(wrong);
    EXPECT_NE(opened_.epoch, epoch);
    EXPECT_EQ(opened_.last, 0u);
    EXPECT_EQ(Take(other), Strings{});
  }
  EXPECT_EQ(unconsumed(), 0);
  EXPECT_EQ(bytes(), 0u);
}

TEST_F(MailboxTest, AResumeBehindWhatWasConsumedDoesNotFit) {
  Owner owner = Open();
  const uint64_t epoch = opened_.epoch;
  Send("p.one!a");
  Take(owner);
  EXPECT_EQ(Ack(owner, 0, 1), Acknowledged::kYes);
  Leave(owner);
  now_ms_ += policy_.expiry_ms;
  owner = Open(Mailbox::Resume{epoch, 0});
  EXPECT_NE(opened_.epoch, epoch);
  EXPECT_EQ(unconsumed(), 0);
}

TEST_F(MailboxTest, AMessageThatWasUnderWayWhenItExpiredDoesNotComeAgain) {
  Owner owner = Open();
  Send("p.one!a", "old");
  Take(owner);
  Leave(owner);
  now_ms_ += policy_.expiry_ms - 1;
  Send("p.one!a", "new");
  now_ms_ += 1;
  owner = Open(Mailbox::Resume{opened_.epoch, 0});
  EXPECT_EQ(Take(owner), Strings{"message p.one!a=new"});
  EXPECT_EQ(counters_.expired, 1u);
  EXPECT_EQ(unconsumed(), 1);
  EXPECT_EQ(Ack(owner, number_, 2), Acknowledged::kNeverSent);
  EXPECT_EQ(Ack(owner, number_, 1), Acknowledged::kYes);
  EXPECT_EQ(bytes(), 0u);
}

TEST_F(MailboxTest, ANewEpochBeginsWithTheMembersAndWithWhatNobodyWasSent) {
  const Owner older = Open();
  Join("chat", {"p.one!a", "p.one!b"});
  Send("p.one!a", "sent");
  Take(older);
  Leave(older);
  Discard("chat", {"p.one!b"});
  Send("p.one!a", "not sent");
  const Owner owner = Open();
  EXPECT_EQ(Take(owner), (Strings{"join chat p.one!a", "message p.one!a=not sent"}));
  EXPECT_EQ(counters_.reset, 1u);
  EXPECT_EQ(unconsumed(), 1);
}

TEST_F(MailboxTest, WhoJoinsAfterAMessageDoesNotGetItAlsoIfTheMailboxIsOpenedLater) {
  Join("chat", {"p.one!early"});
  SendToGroup("chat", "for the early");
  Join("chat", {"p.one!late"});
  SendToGroup("chat", "for both");
  Discard("chat", {"p.one!early"});
  SendToGroup("chat", "for the late");
  Join("chat", {"p.one!early"});
  const Owner owner = Open();
  EXPECT_EQ(Take(owner),
            (Strings{"join chat p.one!early p.one!late", "group chat=for the early but p.one!late",
                     "group chat=for both", "group chat=for the late but p.one!early"}));
}

TEST_F(MailboxTest, AMessageWhoseMembersAllLeftBeforeTheMailboxWasOpenedIsForNobody) {
  Join("chat", {"p.one!early"});
  SendToGroup("chat");
  Discard("chat", {"p.one!early"});
  Join("chat", {"p.one!late"});
  const Owner owner = Open();
  EXPECT_EQ(Take(owner), Strings{"join chat p.one!late"});
  EXPECT_EQ(unconsumed(), 0);
}

TEST_F(MailboxTest, WhatExpiredBeforeTheMailboxWasOpenedIsCounted) {
  Send("p.one!a");
  now_ms_ += policy_.expiry_ms;
  EXPECT_EQ(Take(Open()), Strings{});
  EXPECT_EQ(counters_.expired, 1u);
}

// ---- acknowledging ----

TEST_F(MailboxTest, AcknowledgingTooMuchChangesNothing) {
  const Owner owner = Open();
  Send("p.one!a", "1");
  Send("p.one!a", "2");
  Take(owner, 1);
  const size_t before = bytes();
  EXPECT_EQ(Ack(owner, 2, 0), Acknowledged::kNeverSent);
  EXPECT_EQ(Ack(owner, 1, 2), Acknowledged::kNeverSent);
  EXPECT_EQ(Ack(owner, 0, std::numeric_limits<uint64_t>::max()), Acknowledged::kNeverSent);
  EXPECT_EQ(unconsumed(), 2);
  EXPECT_EQ(bytes(), before);
}

TEST_F(MailboxTest, AcknowledgingAgainOrLessDoesNoHarm) {
  const Owner owner = Open();
  for (int i = 0; i < 3; ++i) Send("p.one!a");
  Take(owner);
  EXPECT_EQ(Ack(owner, 3, 2), Acknowledged::kYes);
  EXPECT_EQ(Ack(owner, 3, 2), Acknowledged::kYes);
  EXPECT_EQ(Ack(owner, 1, 1), Acknowledged::kYes);
  EXPECT_EQ(unconsumed(), 1);
  EXPECT_EQ(counters_.received, 2u);
}

TEST_F(MailboxTest, AnAcknowledgementOfAnEpochThatIsOverChangesNothing) {
  const Owner owner = Open();
  const uint64_t over = opened_.epoch;
  Send("p.one!a");
  Take(owner);
  mailbox_->Flush();
  EXPECT_EQ(Ack(owner, 1, 1, {}, over), Acknowledged::kYes) << "the reset is under way";
  Send("p.one!a");
  Take(owner);
  const size_t before = bytes();
  EXPECT_EQ(Ack(owner, 1, 1, {}, over), Acknowledged::kYes);
  EXPECT_EQ(unconsumed(), 1);
  EXPECT_EQ(bytes(), before);
  EXPECT_EQ(Ack(owner, 2, 1, {}, epoch_), Acknowledged::kNeverSent);
  EXPECT_EQ(Ack(owner, 1, 1, {}, epoch_), Acknowledged::kYes);
  EXPECT_EQ(unconsumed(), 0);
  EXPECT_EQ(bytes(), 0u);
}

// ---- capacity ----

TEST_F(MailboxTest, TakesExactlyItsCapacityAndOneMoreForEachThatIsConsumed) {
  policy_.exceptions = {{"p.one!", 3}};
  const Owner owner = Open();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Send("p.one!a"));
  EXPECT_FALSE(Send("p.one!b"));
  Take(owner);
  EXPECT_EQ(Ack(owner, 3, 0), Acknowledged::kYes);
  EXPECT_FALSE(Send("p.one!b")) << "arrived is not consumed";
  EXPECT_EQ(Ack(owner, 3, 1), Acknowledged::kYes);
  EXPECT_TRUE(Send("p.one!b"));
  EXPECT_FALSE(Send("p.one!b"));
}

TEST_F(MailboxTest, AMessageToAGroupCountsOnce) {
  policy_.capacity = 2;
  Join("chat", {"p.one!a", "p.one!b", "p.one!c"});
  EXPECT_EQ(SendToGroup("chat"), std::pair(int64_t{3}, int64_t{0}));
  EXPECT_EQ(unconsumed(), 1);
  EXPECT_EQ(SendToGroup("chat"), std::pair(int64_t{3}, int64_t{0}));
  EXPECT_EQ(SendToGroup("chat"), std::pair(int64_t{0}, int64_t{3}));
  EXPECT_EQ(counters_.group_full, 3u);
}

class MailboxExpiryTest : public MailboxFixture, public testing::WithParamInterface<bool> {
 protected:
  MailboxExpiryTest() {
    policy_.scope = GetParam() ? CapacityScope::kChannel : CapacityScope::kMailbox;
    policy_.capacity = 1;
  }
};
INSTANTIATE_TEST_SUITE_P(Scopes, MailboxExpiryTest, testing::Bool());

TEST_P(MailboxExpiryTest, WhatExpiresWithoutAnOwnerMakesRoomAtThatMoment) {
  Join("chat", {"p.one!a"});
  EXPECT_TRUE(Send("p.one!a"));
  now_ms_ += policy_.expiry_ms - 1;
  EXPECT_FALSE(Send("p.one!a"));
  EXPECT_EQ(SendToGroup("chat"), std::pair(int64_t{0}, int64_t{1}));
  now_ms_ += 1;
  EXPECT_EQ(SendToGroup("chat"), std::pair(int64_t{1}, int64_t{0}));
  now_ms_ += policy_.expiry_ms;
  EXPECT_TRUE(Send("p.one!a"));
  EXPECT_EQ(counters_.expired, 2u);
}

class MailboxChannelScopeTest : public MailboxFixture {
 protected:
  MailboxChannelScopeTest() {
    policy_.scope = CapacityScope::kChannel;
    policy_.capacity = 2;
  }
};

TEST_F(MailboxChannelScopeTest, AFullMemberIsLeftOutAndNamed) {
  Join("chat", {"p.one!slow", "p.one!quick"});
  EXPECT_TRUE(Send("p.one!slow"));
  EXPECT_TRUE(Send("p.one!slow"));
  EXPECT_FALSE(Send("p.one!slow"));
  EXPECT_EQ(SendToGroup("chat", "x"), std::pair(int64_t{1}, int64_t{1}));
  EXPECT_EQ(Take(Open()).back(), "group chat=x but p.one!slow");
}

TEST_F(MailboxChannelScopeTest, AChannelHasRoomForWhatItsConsumerTookAndNoMore) {
  const Owner owner = Open();
  EXPECT_TRUE(Send("p.one!a"));
  EXPECT_TRUE(Send("p.one!a"));
  Take(owner, 1);
  EXPECT_EQ(Ack(owner, 1, 1, {{"p.one!a", 0}}), Acknowledged::kYes);
  EXPECT_TRUE(Send("p.one!a")) << "one is still under way";
  EXPECT_FALSE(Send("p.one!a"));
}

TEST_F(MailboxChannelScopeTest, AnAbsurdNumberOfWaitingMessagesMakesNoRoom) {
  const Owner owner = Open();
  EXPECT_TRUE(Send("p.one!a"));
  EXPECT_TRUE(Send("p.one!a"));
  Take(owner, 1);
  EXPECT_EQ(Ack(owner, 0, 0, {{"p.one!a", std::numeric_limits<int64_t>::max()}}),
            Acknowledged::kYes);
  EXPECT_FALSE(Send("p.one!a"));
}

TEST_F(MailboxChannelScopeTest, MembersWhoChangeMeanwhileHaveTheirOwnCounts) {
  const Owner owner = Open();
  Join("chat", {"p.one!leaves", "p.one!stays"});
  SendToGroup("chat");
  SendToGroup("chat");
  Discard("chat", {"p.one!leaves"});
  Join("chat", {"p.one!joins"});
  EXPECT_TRUE(Send("p.one!joins"));
  Take(owner, 1);  // the members; the messages are under way
  EXPECT_EQ(Ack(owner, 1, 0, {{"p.one!leaves", 0}, {"p.one!joins", 0}}), Acknowledged::kYes);
  EXPECT_FALSE(Send("p.one!leaves"));
  EXPECT_TRUE(Send("p.one!joins"));
  EXPECT_FALSE(Send("p.one!joins"));
}

// In CPU time, so that a busy machine is no excuse; a product of the two would be a hundred times
// it.
TEST_F(MailboxChannelScopeTest, AnAcknowledgementCostsTheChannelsAndTheEventsNotTheirProduct) {
  constexpr int kMany = 3000;
  policy_.capacity = 1'000'000;
  const Owner owner = Open();
  Strings channels;
  for (int i = 0; i < kMany; ++i) channels.push_back("p.one!" + std::to_string(i));
  Join("chat", {channels.begin(), channels.end()});
  std::vector<UnconsumedMessages::Waiting> unconsumed;
  for (const std::string& channel : channels) unconsumed.emplace_back(channel, 0);
  Send(channels[0]);
  for (int i = 0; i < kMany; ++i) Join("other" + std::to_string(i), {channels[0]});
  for (int i = 0; i < 100; ++i) SendToGroup("chat");
  for (int i = 0; i < kMany; ++i) SendToGroup("other" + std::to_string(i));
  Take(owner, 1);
  const std::clock_t begin = std::clock();
  EXPECT_EQ(Ack(owner, 1, 0, unconsumed), Acknowledged::kYes);
  EXPECT_LT(std::clock() - begin, CLOCKS_PER_SEC / 5);
}

TEST_F(MailboxChannelScopeTest, WhatExpiresMakesRoomForThoseWhoItWasFor) {
  Join("chat", {"p.one!leaves"});
  SendToGroup("chat");
  SendToGroup("chat");
  Discard("chat", {"p.one!leaves"});
  Join("chat", {"p.one!joins"});
  now_ms_ += 1;
  EXPECT_TRUE(Send("p.one!joins"));
  EXPECT_TRUE(Send("p.one!joins"));
  now_ms_ += policy_.expiry_ms - 1;
  EXPECT_TRUE(Send("p.one!leaves"));
  EXPECT_TRUE(Send("p.one!leaves"));
  EXPECT_FALSE(Send("p.one!leaves"));
  EXPECT_FALSE(Send("p.one!joins"));
}

TEST_F(MailboxChannelScopeTest, NoCountIsLeftOnceEverythingIsConsumed) {
  const Owner owner = Open();
  EXPECT_TRUE(Send("p.one!closed"));
  EXPECT_TRUE(Send("p.one!closed"));
  Take(owner);
  EXPECT_EQ(Ack(owner, 2, 2), Acknowledged::kYes) << "the channel has gone without a word";
  EXPECT_TRUE(Send("p.one!closed"));
}

// ---- memory ----

TEST_F(MailboxTest, WhatWaitsIsBoundedAndTheOwnerIsToldWhatHeLost) {
  most_bytes_ = 10'000;
  policy_.capacity = 1'000'000;
  const Owner owner = Open();
  const uint64_t epoch = opened_.epoch;
  Join("chat", {"p.one!a"});
  for (int i = 0; i < 100; ++i) {
    SendToGroup("chat", std::string(1000, 'x'));
    EXPECT_LE(bytes(), most_bytes_ + 1000) << "beside the members";
  }
  EXPECT_GT(counters_.reset, 0u);
  const Strings shown = Take(owner);
  EXPECT_EQ(shown[0], "reset");
  EXPECT_EQ(shown[1], "join chat p.one!a");
  EXPECT_NE(epoch_, epoch);
  EXPECT_LT(unconsumed(), 10) << "what was dropped takes no capacity";
}

class MailboxOverflowTest : public MailboxFixture, public testing::WithParamInterface<bool> {
 protected:
  MailboxOverflowTest() {
    policy_.scope = GetParam() ? CapacityScope::kChannel : CapacityScope::kMailbox;
    policy_.capacity = 50;
    most_bytes_ = 10'000;
  }
  // With messages of a kilobyte; returns how many it took.
  int Fill() {
    for (int sent = 0; sent < 1000; ++sent) {
      if (!Send("p.one!a", std::string(1000, 'x'))) return sent;
    }
    return 1000;
  }
};
INSTANTIATE_TEST_SUITE_P(Scopes, MailboxOverflowTest, testing::Bool());

TEST_P(MailboxOverflowTest, WhatIsDroppedTakesCapacityUntilTheOwnerIsTold) {
  const Owner owner = Open();
  EXPECT_EQ(Fill(), 50);
  EXPECT_LE(bytes(), most_bytes_);
  EXPECT_EQ(unconsumed(), 50);
  EXPECT_EQ(Take(owner)[0], "reset");
  EXPECT_LT(unconsumed(), 10);
  EXPECT_TRUE(Send("p.one!a"));
}

TEST_P(MailboxOverflowTest, WhatWasConsumedBeforeTheOwnerIsToldTakesNoCapacity) {
  const Owner owner = Open();
  const uint64_t epoch = opened_.epoch;
  for (int i = 0; i < 5; ++i) Send("p.one!a");
  Take(owner);
  EXPECT_EQ(Fill(), 45);
  EXPECT_EQ(Ack(owner, 5, 6, {}, epoch), Acknowledged::kNeverSent);
  EXPECT_EQ(Ack(owner, 5, 4, {}, epoch), Acknowledged::kYes);
  EXPECT_EQ(Ack(owner, 5, 4, {}, epoch), Acknowledged::kYes) << "again";
  EXPECT_EQ(unconsumed(), 46);
  EXPECT_EQ(counters_.received, 4u);
}

TEST_P(MailboxOverflowTest, NothingIsCountedForAnOwnerWhoHasLeftOrWasFlushed) {
  Owner owner = Open();
  EXPECT_EQ(Fill(), 50);
  mailbox_->Flush();
  EXPECT_EQ(unconsumed(), 0);
  EXPECT_EQ(Fill(), 50);
  EXPECT_EQ(Take(owner)[0], "reset");
  EXPECT_GT(Fill(), 40);
  Leave(owner);
  EXPECT_LT(unconsumed(), 10);
}

TEST_F(MailboxTest, ManyMembersAreNoReasonToDropMessages) {
  most_bytes_ = 10'000;
  for (int i = 0; i < 1000; ++i) Join("chat", {"p.one!" + std::to_string(i)});
  const auto resets = counters_.reset.load();
  Send("p.one!1", "a");
  Send("p.one!1", "b");
  EXPECT_EQ(counters_.reset, resets);
  const Owner owner = Open();
  const Strings shown = Take(owner);
  ASSERT_EQ(shown.size(), 3u);
  EXPECT_EQ(shown[1], "message p.one!1=a");
  Send("p.one!1", "c");
  EXPECT_EQ(Take(owner), Strings{"message p.one!1=c"});
}

// ---- memberships ----

TEST_F(MailboxTest, ChangesOfMembersAndMessagesHaveOneOrder) {
  const Owner owner = Open();
  EXPECT_EQ(Join("chat", {"p.one!a", "p.one!a"}), 1u);
  EXPECT_EQ(Join("chat", {"p.one!a"}), 0u);
  SendToGroup("chat", "1");
  EXPECT_EQ(Join("chat", {"p.one!b", "p.one!a"}), 1u);
  SendToGroup("chat", "2");
  EXPECT_EQ(Discard("chat", {"p.one!a", "p.one!stranger"}), 1u);
  SendToGroup("chat", "3");
  EXPECT_EQ(Discard("chat", {"p.one!b"}), 1u);
  EXPECT_EQ(SendToGroup("chat", "4"), std::pair(int64_t{0}, int64_t{0}));
  EXPECT_EQ(Take(owner),
            (Strings{"join chat p.one!a", "group chat=1", "join chat p.one!b", "group chat=2",
                     "leave chat p.one!a", "group chat=3", "leave chat p.one!b"}));
}

TEST_F(MailboxTest, MembershipsEndAfterTheLatestJoinAndTheOwnerIsToldBeforeTheNextMessage) {
  policy_.group_expiry_ms = 100;
  const Owner owner = Open();
  Join("chat", {"p.one!a", "p.one!b"});
  now_ms_ += 50;
  Join("chat", {"p.one!b"});
  now_ms_ += 50;
  EXPECT_EQ(SendToGroup("chat", "x"), std::pair(int64_t{1}, int64_t{0}));
  EXPECT_EQ(Take(owner),
            (Strings{"join chat p.one!a p.one!b", "leave chat p.one!a", "group chat=x"}));
  now_ms_ += 50;
  EXPECT_FALSE(mailbox_->Tidy(policy_.grace_ms, now_ms_));
  EXPECT_EQ(Take(owner), Strings{"leave chat p.one!b"});
  EXPECT_EQ(counters_.expired_members, 2u);
  EXPECT_TRUE(groups_.Names().empty());
}

TEST_F(MailboxTest, AShorterExpiryHoldsForWhoeverJoinsAfterIt) {
  const Owner owner = Open();
  Join("chat", {"p.one!long"});
  policy_.group_expiry_ms = 10;
  Join("chat", {"p.one!short"});
  now_ms_ += 10;
  EXPECT_EQ(mailbox_->MembersOf("chat", now_ms_), Strings{"p.one!long"});
  EXPECT_EQ(Join("chat", {"p.one!short"}), 1u) << "it had ended";
}

// ---- the end ----

TEST_F(MailboxTest, WaitsForItsOwnerForTheGraceTimeAndThenEndsForGood) {
  Join("chat", {"p.one!a"});
  Send("p.one!a");
  now_ms_ += policy_.grace_ms;
  EXPECT_FALSE(mailbox_->Tidy(policy_.grace_ms, now_ms_));
  now_ms_ += 1;
  EXPECT_TRUE(mailbox_->Tidy(policy_.grace_ms, now_ms_));
  EXPECT_TRUE(mailbox_->closed());
  EXPECT_TRUE(groups_.Names().empty());
  EXPECT_EQ(mailbox_->Send("p.one!a", std::make_shared<const std::string>(), policy_, now_ms_),
            Mailbox::Sent::kClosed);
  EXPECT_EQ(SendToGroup("chat"), std::pair(int64_t{0}, int64_t{0}));
  EXPECT_EQ(mailbox_->Open(std::make_shared<RecordingOwner>(), std::nullopt, std::nullopt, now_ms_),
            std::nullopt);
  EXPECT_EQ(mailbox_->Join("chat", std::vector<std::string_view>{"p.one!a"}, now_ms_ + 1, now_ms_),
            std::nullopt);
  EXPECT_TRUE(groups_.Names().empty());
}

TEST_F(MailboxTest, TheGraceTimeBeginsAnewWhenAnOwnerLeaves) {
  now_ms_ += policy_.grace_ms;
  const Owner owner = Open();
  now_ms_ += 10 * policy_.grace_ms;
  EXPECT_FALSE(mailbox_->Tidy(policy_.grace_ms, now_ms_));
  Leave(owner);
  now_ms_ += policy_.grace_ms;
  EXPECT_FALSE(mailbox_->Tidy(policy_.grace_ms, now_ms_));
}

TEST_F(MailboxTest, AnEpochThatEndsWithEventsNobodyAcknowledgedIsCounted) {
  Owner owner = Open();
  mailbox_->Flush();
  EXPECT_EQ(counters_.reset, 0u) << "there was nothing";
  Send("p.one!a");
  mailbox_->Flush();
  EXPECT_EQ(counters_.reset, 1u);
  Take(owner);
  Send("p.one!a");
  Take(owner);
  Leave(owner);
  now_ms_ += policy_.grace_ms + 1;
  EXPECT_TRUE(mailbox_->Tidy(policy_.grace_ms, now_ms_));
  EXPECT_EQ(counters_.reset, 2u);
}

TEST_F(MailboxTest, AFlushLeavesNothingAndIsToldAsOneReset) {
  const Owner owner = Open();
  const uint64_t epoch = opened_.epoch;
  Join("chat", {"p.one!a"});
  SendToGroup("chat");
  mailbox_->Flush();
  mailbox_->Flush();
  EXPECT_EQ(owner->wakes, 1);
  EXPECT_EQ(bytes(), 0u);
  EXPECT_EQ(unconsumed(), 0);
  EXPECT_TRUE(groups_.Names().empty());
  EXPECT_EQ(Take(owner), Strings{"reset"});
  EXPECT_NE(epoch_, epoch);
  Send("p.one!a");
  EXPECT_EQ(Take(owner), Strings{"message p.one!a=m"});
}

}  // namespace
}  // namespace chorale
