#include "broker/event_loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace chorale {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// One end of a pair of sockets, which calls `ready`.
class End final : public EventLoop::Watcher {
 public:
  explicit End(int descriptor) : descriptor(descriptor) {}
  ~End() { ::close(descriptor); }
  void OnReady(uint32_t events) override { ready(events); }

  char ReadByte() const {
    char byte = 0;
    return ::recv(descriptor, &byte, 1, MSG_DONTWAIT) == 1 ? byte : '\0';
  }
  void Write(std::string_view bytes) const {
    ASSERT_EQ(::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  const int descriptor;
  std::function<void(uint32_t)> ready = [](uint32_t) {};
};

struct Pair {
  static std::array<int, 2> Descriptors() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    return ends;
  }
  explicit Pair(std::array<int, 2> ends = Descriptors()) : here(ends[0]), there(ends[1]) {}
  End here, there;
};

class EventLoopTest : public ::testing::Test {
 protected:
  void Watch(End& end, uint32_t before, uint32_t events) {
    ASSERT_TRUE(loop_.Watch(end.descriptor, before, events, end));
  }
  void Turn(bool may_wait) {
    loop_.Turn(may_wait, [] {});
  }
  EventLoop loop_;
};

TEST_F(EventLoopTest, WhatIsNotTakenIsToldOfAgain) {
  Pair pair;
  Watch(pair.here, 0, EPOLLIN);
  std::string heard;
  pair.here.ready = [&](uint32_t) { heard += pair.here.ReadByte(); };
  pair.there.Write("abc");
  for (int i = 0; i < 3; ++i) Turn(true);
  EXPECT_EQ(heard, "abc");
  Turn(false);
  EXPECT_EQ(heard, "abc");
}

TEST_F(EventLoopTest, TellsOnlyOfWhatIsWatched) {
  Pair pair;
  std::vector<uint32_t> seen;
  pair.here.ready = [&](uint32_t events) { seen.push_back(events); };
  pair.there.Write("a");
  Watch(pair.here, 0, EPOLLOUT);
  Turn(true);
  Watch(pair.here, EPOLLOUT, EPOLLIN | EPOLLOUT);
  Turn(true);
  Watch(pair.here, EPOLLIN | EPOLLOUT, 0);
  Turn(false);
  EXPECT_EQ(seen, (std::vector<uint32_t>{EPOLLOUT, EPOLLIN | EPOLLOUT}));
}

TEST_F(EventLoopTest, AnEndThatIsNotWatchedDoesNotKeepTheLoopAwake) {
  Pair pair;
  Watch(pair.here, 0, EPOLLIN);
  Watch(pair.here, EPOLLIN, 0);
  ::shutdown(pair.there.descriptor, SHUT_RDWR);
  pair.here.ready = [](uint32_t) { FAIL() << "told of an end that nobody watches"; };
  bool ran = false;
  loop_.StartTimer(milliseconds(5), [&] { ran = true; });
  Turn(true);
  EXPECT_TRUE(ran);
}

TEST_F(EventLoopTest, AWatcherMayStopAnotherWatcherOfTheSameTurn) {
  Pair a, b;
  int calls = 0;
  for (End* end : {&a.here, &b.here}) {
    Watch(*end, 0, EPOLLIN);
    end->ready = [&](uint32_t) { ++calls; };
  }
  a.there.Write("a");
  b.there.Write("b");
  Turn(true);
  EXPECT_EQ(calls, 2);
}

TEST_F(EventLoopTest, TimersRunInTheOrderOfTheirTimes) {
  std::vector<int> order;
  loop_.StartTimer(milliseconds(2), [&] { order.push_back(2); });
  loop_.StartTimer(milliseconds(1), [&] { order.push_back(1); });
  loop_.StartTimer(milliseconds(2), [&] { order.push_back(3); });
  while (order.size() < 3) Turn(true);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST_F(EventLoopTest, ATimerIsNeverEarly) {
  const auto begin = std::chrono::steady_clock::now();
  bool ran = false;
  loop_.StartTimer(milliseconds(20), [&] { ran = true; });
  while (!ran) Turn(true);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(20));
}

TEST_F(EventLoopTest, ACancelledTimerDoesNotRun) {
  bool ran = false;
  bool other_ran = false;
  const auto timer = loop_.StartTimer(milliseconds(1), [&] { ran = true; });
  loop_.StartTimer(milliseconds(2), [&] { other_ran = true; });
  loop_.CancelTimer(timer);
  while (!other_ran) Turn(true);
  EXPECT_FALSE(ran);
  loop_.CancelTimer(timer);
}

TEST_F(EventLoopTest, ATimerThatIsDueAtOnceDoesNotRunWithinTheOneThatStartsIt) {
  int ran = 0;
  std::function<void()> again = [&] {
    ++ran;
    loop_.StartTimer(nanoseconds(0), again);
  };
  loop_.StartTimer(nanoseconds(0), again);
  Turn(true);
  EXPECT_EQ(ran, 1);
  Turn(true);
  EXPECT_EQ(ran, 2);
}

TEST_F(EventLoopTest, TheLongestTimerIsInTheFuture) {
  loop_.StartTimer(nanoseconds::max(), [] { FAIL() << "a timer of centuries has run"; });
  Turn(false);
}

TEST_F(EventLoopTest, WakingEndsTheWait) {
  loop_.StartTimer(hours(1), [] {});
  for (int i = 0; i < 100; ++i) {
    std::thread other([&] { loop_.Wake(); });
    Turn(true);
    other.join();
    // Woken before it slept, it may have a turn left that does not wait.
    loop_.Wake();
    Turn(true);
  }
}

TEST_F(EventLoopTest, WakingBeforeTheTurnKeepsItFromWaiting) {
  loop_.StartTimer(hours(1), [] { FAIL(); });
  loop_.Wake();
  Turn(true);
}

TEST_F(EventLoopTest, WhatOthersHaveLeftComesBeforeWhatIsReady) {
  Pair pair;
  std::string order;
  Watch(pair.here, 0, EPOLLIN);
  pair.here.ready = [&](uint32_t) { order += "ready"; };
  pair.there.Write("x");
  loop_.Turn(true, [&] { order += "left "; });
  EXPECT_EQ(order, "left ready");
}

TEST_F(EventLoopTest, ATurnWithinATurnServesTheOthers) {
  Pair outer, inner;
  std::string heard;
  Watch(outer.here, 0, EPOLLIN);
  Watch(inner.here, 0, EPOLLIN);
  inner.here.ready = [&](uint32_t) { heard += inner.here.ReadByte(); };
  outer.here.ready = [&](uint32_t) {
    Watch(outer.here, EPOLLIN, 0);
    inner.there.Write("x");
    Turn(false);
    heard += outer.here.ReadByte();
  };
  outer.there.Write("o");
  Turn(true);
  EXPECT_EQ(heard, "xo");
}

}  // namespace
}  // namespace chorale
