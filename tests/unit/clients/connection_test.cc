#include "clients/cpp/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/clients/fake_broker.h"
#include "tests/unit/clients/parse_replies.h"

namespace chorale::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Command = FakeBroker::Command;
using Peer = FakeBroker::Peer;
using boost::system::error_code;
using std::chrono::milliseconds;

class ConnectionTest : public ::testing::Test {
 protected:
  // Short delays, so that a reconnect takes no time worth mentioning.
  ConnectionTest() {
    options_.address.port = broker_.port();
    options_.first_delay = milliseconds(1);
    options_.longest_delay = milliseconds(5);
    events_.ready = [this] { ++readies_; };
    events_.lost = [this](error_code error, std::string_view reason) {
      losses_.push_back(error);
      reasons_.emplace_back(reason);
    };
    events_.failed = [this](error_code error, std::string_view reason) {
      failures_.push_back(error);
      reasons_.emplace_back(reason);
    };
    events_.push = [this](const Value& push) { log_.push_back(Spell(push)); };
  }

  void Start() {
    connection_.emplace(io_, options_, events_);
    connection_->Start();
  }
  void StartAndWait() {
    Start();
    Until([&] { return readies_ == 1; });
  }
  void Until(const std::function<bool()>& done) { RunUntil(io_, done); }
  // Everything that can happen without time passing has happened.
  void Settle() {
    io_.restart();
    while (io_.poll() > 0) {
    }
  }

  // Writes the outcome of a command into log_.
  ReplyHandler Log(std::string name) {
    return [this, name = std::move(name)](error_code error, const Value& reply) {
      log_.push_back(name + ": " + (error ? error.message() : Spell(reply)));
    };
  }
  std::string Outcome(Error error) { return make_error_code(error).message(); }

  // What the latest connection has received, the greeting left out, long words cut short.
  std::vector<Command> Received() {
    std::vector<Command> commands = broker_.peer().commands;
    if (!commands.empty() && commands[0][0] == "HELLO") commands.erase(commands.begin());
    for (Command& command : commands) {
      for (std::string& word : command) word.resize(std::min<size_t>(word.size(), 100));
    }
    return commands;
  }
  // Answers HELLO and nothing else.
  void AnswerOnlyHello() {
    broker_.on_command = [](Peer& peer, const Command& command) {
      if (command[0] == "HELLO") peer.Send("%0\r\n");
    };
  }

  boost::asio::io_context io_{1};
  FakeBroker broker_{io_};
  Options options_;
  Events events_;
  std::optional<Connection> connection_;

  int readies_ = 0;
  std::vector<error_code> losses_, failures_;
  std::vector<std::string> reasons_;
  std::vector<std::string> log_;
};

// ---- connecting ----

TEST_F(ConnectionTest, GreetsWithItsNameAndPassword) {
  options_.password = "secret";
  options_.name = "bench";
  StartAndWait();
  EXPECT_THAT(broker_.peer().commands,
              ElementsAre(Command{"HELLO", "3", "AUTH", "default", "secret", "SETNAME", "bench"}));
}

TEST_F(ConnectionTest, GreetsWithNoMoreThanItWasGiven) {
  StartAndWait();
  EXPECT_THAT(broker_.peer().commands, ElementsAre(Command{"HELLO", "3"}));
}

TEST_F(ConnectionTest, TriesAgainWhenTheBrokerRefusesItAndTellsWhy) {
  int greetings = 0;
  broker_.on_command = [&](Peer& peer, const Command&) {
    peer.Send(++greetings < 3 ? "-WRONGPASS invalid password\r\n" : "+OK\r\n");
  };
  StartAndWait();
  EXPECT_THAT(failures_, ElementsAre(Error::kRefused, Error::kRefused));
  EXPECT_EQ(reasons_[0], "WRONGPASS invalid password");
  EXPECT_THAT(losses_, IsEmpty());
}

TEST_F(ConnectionTest, TriesForAsLongAsNobodyListens) {
  broker_.Stop();
  Start();
  Until([&] { return failures_.size() >= 10; });
  broker_.Listen();
  Until([&] { return readies_ == 1; });
}

TEST_F(ConnectionTest, ANameIsResolvedAndItsAddressesTriedInTurn) {
  options_.address.host = "localhost";  // perhaps ::1 first, where nobody listens
  StartAndWait();
}

TEST_F(ConnectionTest, ASocketThatCannotBeIsAFailureLikeAnyOther) {
  options_.address.unix_path = std::string(200, 'x');
  Start();
  Until([&] { return failures_.size() >= 2; });
}

TEST_F(ConnectionTest, ABrokerThatSaysNothingIsGivenUp) {
  options_.connect_timeout = milliseconds(20);
  broker_.on_command = [](Peer&, const Command&) {};
  Start();
  Until([&] { return failures_.size() >= 2; });
  EXPECT_EQ(failures_[0], Error::kConnectTimeout);
}

TEST_F(ConnectionTest, ABrokerThatSaysNonsenseIsGivenUp) {
  StartAndWait();
  broker_.peer().Send("HTTP/1.1 400\r\n");
  Until([&] { return !losses_.empty(); });
  EXPECT_EQ(losses_[0], Error::kBadReply);
  EXPECT_EQ(reasons_[0], "an unknown type of value");
}

TEST_F(ConnectionTest, AReplyThatNobodyAskedForEndsTheConnection) {
  StartAndWait();
  broker_.peer().Send("+SURPRISE\r\n");
  Until([&] { return !losses_.empty(); });
  EXPECT_EQ(losses_[0], Error::kBadReply);
}

// ---- commands ----

TEST_F(ConnectionTest, RepliesComeInTheOrderOfTheCommands) {
  broker_.on_command = [](Peer& peer, const Command& command) {
    peer.Send("$" + std::to_string(command.back().size()) + "\r\n" + command.back() + "\r\n");
  };
  StartAndWait();
  connection_->Execute({"ECHO", "first"}, Log("1"));
  connection_->Execute({"ECHO", -42}, Log("2"));
  connection_->Execute({"ECHO", "nobody listens"});
  connection_->ExecuteEncoded("*2\r\n$4\r\nECHO\r\n$4\r\nlast\r\n", Log("3"));
  EXPECT_EQ(connection_->commands(), 4u);
  Until([&] { return log_.size() == 3; });
  EXPECT_THAT(log_, ElementsAre("1: bulk(first)", "2: bulk(-42)", "3: bulk(last)"));
  EXPECT_EQ(connection_->commands(), 0u);
  EXPECT_EQ(connection_->unsent_bytes(), 0u);
}

TEST_F(ConnectionTest, AnErrorOfTheBrokerIsAReply) {
  StartAndWait();
  broker_.on_command = [](Peer& peer, const Command&) { peer.Send("-CHANNELFULL no\r\n"); };
  connection_->Execute({"CHANNEL.SEND", "asgi", "c", "m"}, Log("send"));
  Until([&] { return !log_.empty(); });
  EXPECT_THAT(log_, ElementsAre("send: error(CHANNELFULL no)"));
}

TEST_F(ConnectionTest, CommandsOfOneTurnLeaveInOneWrite) {
  StartAndWait();
  const size_t before = broker_.peer().arrivals.size();
  for (int i = 0; i < 1000; ++i) connection_->Execute({"INCR", "key"});
  EXPECT_EQ(connection_->unsent_bytes(), 1000u * 23u);
  Until([&] { return connection_->commands() == 0; });
  EXPECT_EQ(broker_.peer().arrivals.size(), before + 1);
}

TEST_F(ConnectionTest, CommandsOfHandlersLeaveInOneWriteToo) {
  StartAndWait();
  int answered = 0;
  for (int i = 0; i < 10; ++i) {
    connection_->Execute({"PING"}, [&](error_code, const Value&) {
      connection_->Execute({"PING"}, [&](error_code, const Value&) { ++answered; });
    });
  }
  AnswerOnlyHello();
  Until([&] { return Received().size() == 10; });
  const size_t before = broker_.peer().arrivals.size();
  std::string replies;
  for (int i = 0; i < 10; ++i) replies += "+PONG\r\n";
  broker_.peer().Send(replies);
  Until([&] { return Received().size() == 20; });
  EXPECT_EQ(broker_.peer().arrivals.size(), before + 1);
  broker_.peer().Send(replies);
  Until([&] { return answered == 10; });
}

TEST_F(ConnectionTest, MegabytesGoBothWaysHoweverSlowTheOtherSideReads) {
  StartAndWait();
  const std::string large(8 << 20, 'x');
  broker_.on_command = [&](Peer& peer, const Command& command) {
    EXPECT_TRUE(command[1] == large);
    // Longer than the sockets take at once, so that it is sent in turns with the client.
    auto reply = std::make_shared<std::string>("$2000000\r\n" + large.substr(0, 2000000) + "\r\n");
    for (size_t i = 0; i < reply->size(); i += 50000) {
      boost::asio::post(io_, [&peer, reply, i] { peer.Send(reply->substr(i, 50000)); });
    }
  };
  broker_.peer().set_reading(false);
  size_t got = 0;
  connection_->Execute({"ECHO", large},
                       [&](error_code, const Value& reply) { got = reply.text().size(); });
  Settle();
  EXPECT_GT(connection_->unsent_bytes(), 0u);
  broker_.peer().set_reading(true);
  Until([&] { return got > 0; });
  EXPECT_EQ(got, 2000000u);
}

TEST_F(ConnectionTest, PushesComeBetweenRepliesInOrder) {
  StartAndWait();
  broker_.on_command = [](Peer& peer, const Command&) {
    peer.Send(">2\r\n+group-message\r\n:1\r\n+OK\r\n>2\r\n+group-message\r\n:2\r\n");
  };
  connection_->Execute({"GROUP.SEND", "asgi", "g", "m"}, Log("send"));
  Until([&] { return log_.size() == 3; });
  EXPECT_THAT(log_, ElementsAre("push(simple(group-message) 1)", "send: simple(OK)",
                                "push(simple(group-message) 2)"));
}

// ---- bounds ----

TEST_F(ConnectionTest, TooManyCommandsAreRefusedUntilRepliesCome) {
  options_.max_commands = 2;
  StartAndWait();
  for (int i = 0; i < 3; ++i) connection_->Execute({"PING"}, Log(std::to_string(i)));
  EXPECT_THAT(log_, IsEmpty()) << "a handler is never called from within Execute";
  Until([&] { return log_.size() == 3; });
  EXPECT_THAT(log_, ::testing::UnorderedElementsAre("0: simple(OK)", "1: simple(OK)",
                                                    "2: " + Outcome(Error::kTooManyCommands)));
  connection_->Execute({"PING"}, Log("again"));
  Until([&] { return log_.size() == 4; });
  EXPECT_EQ(log_.back(), "again: simple(OK)");
}

TEST_F(ConnectionTest, TooManyBytesAreRefusedAlsoWithoutAConnection) {
  options_.max_unsent_bytes = 1000;
  broker_.Stop();
  Start();
  const std::string word(400, 'x');
  for (int i = 0; i < 3; ++i) connection_->Execute({"ECHO", word}, Log(std::to_string(i)));
  Until([&] { return log_.size() == 1; });
  EXPECT_THAT(log_, ElementsAre("2: " + Outcome(Error::kTooManyBytes)));
}

TEST_F(ConnectionTest, ACommandWaitsForAConnectionNoLongerThanItMay) {
  options_.unsent_timeout = milliseconds(30);
  broker_.Stop();
  Start();
  connection_->Execute({"PING"}, Log("1"));
  connection_->Execute({"PING"}, Log("2"));
  Until([&] { return log_.size() == 2; });
  EXPECT_THAT(log_, ElementsAre("1: " + Outcome(Error::kWaitedTooLong),
                                "2: " + Outcome(Error::kWaitedTooLong)));
  EXPECT_EQ(connection_->unsent_bytes(), 0u);
  broker_.Listen();
  Until([&] { return readies_ == 1; });
  EXPECT_THAT(Received(), IsEmpty());
}

// ---- losing the broker ----

TEST_F(ConnectionTest, CommandsGivenBeforeTheConnectionAreSentWhenItIsReady) {
  Start();
  connection_->Execute({"SET", "a", 1}, Log("1"));
  connection_->Execute({"SET", "b", 2}, Log("2"));
  Until([&] { return log_.size() == 2; });
  EXPECT_THAT(Received(), ElementsAre(Command{"SET", "a", "1"}, Command{"SET", "b", "2"}));
}

TEST_F(ConnectionTest, ACommandThatWasSentIsNotSentAgain) {
  StartAndWait();
  AnswerOnlyHello();
  connection_->Execute({"INCR", "key"}, Log("sent"));
  Until([&] { return Received().size() == 1; });
  broker_.peer().Close();
  Until([&] { return readies_ == 2; });
  EXPECT_THAT(log_, ElementsAre("sent: " + Outcome(Error::kOutcomeUnknown)));
  EXPECT_THAT(losses_.size(), 1u);
  connection_->Execute({"INCR", "next"}, Log("next"));
  Until([&] { return !Received().empty(); });
  EXPECT_THAT(Received(), ElementsAre(Command{"INCR", "next"}));
}

// The sockets' buffers are full of one large command; the one behind it was not begun.
TEST_F(ConnectionTest, ACommandThatTheKernelHasNotTakenWaitsForTheNextConnection) {
  StartAndWait();
  broker_.peer().set_reading(false);
  const std::string large(16 << 20, 'x');
  connection_->Execute({"SET", "large", large}, Log("large"));
  connection_->Execute({"SET", "small", 1}, Log("small"));
  connection_->ExecuteNow({"MAILBOX.ACK", "asgi", "m!", 1, 1}, Log("bound"));
  Settle();
  EXPECT_GT(connection_->unsent_bytes(), 0u);
  broker_.peer().Close();
  Until([&] { return log_.size() == 3; });
  EXPECT_THAT(log_, ElementsAre("large: " + Outcome(Error::kOutcomeUnknown),
                                "bound: " + Outcome(Error::kOutcomeUnknown), "small: simple(OK)"));
  EXPECT_THAT(Received(), ElementsAre(Command{"SET", "small", "1"}));
}

TEST_F(ConnectionTest, ACommandForThisConnectionOnlyDoesNotWaitForAnother) {
  broker_.Stop();
  Start();
  connection_->ExecuteNow({"MAILBOX.ACK", "asgi", "m!", 1, 1}, Log("ack"));
  Until([&] { return log_.size() == 1; });
  EXPECT_THAT(log_, ElementsAre("ack: " + Outcome(Error::kNotConnected)));
}

TEST_F(ConnectionTest, TheHookComesBeforeTheCommandsThatWait) {
  std::optional<Opening> opening;
  events_.open = [&](Opening now) {
    opening = now;
    now.Execute({"MAILBOX.OPEN", "asgi", "m!"}, Log("open"));
  };
  Start();
  connection_->Execute({"PING"}, Log("ping"));
  Until([&] { return log_.size() == 1; });
  Settle();
  EXPECT_FALSE(connection_->ready());
  EXPECT_THAT(Received(), ElementsAre(Command{"MAILBOX.OPEN", "asgi", "m!"}));
  opening->Done();
  EXPECT_TRUE(connection_->ready());
  Until([&] { return log_.size() == 2; });
  EXPECT_THAT(log_, ElementsAre("open: simple(OK)", "ping: simple(OK)"));

  broker_.peer().Close();
  Until([&] { return !losses_.empty(); });
  opening->Execute({"PING"}, Log("too late"));
  opening->Done();
  connection_->Execute({"PING"}, Log("waits"));
  Until([&] { return log_.size() == 4; });
  EXPECT_THAT(Received(), ElementsAre(Command{"MAILBOX.OPEN", "asgi", "m!"}));
  opening->Done();
  Until([&] { return log_.size() == 5; });
  EXPECT_EQ(log_[2], "too late: " + Outcome(Error::kNotConnected));
  EXPECT_EQ(log_[4], "waits: simple(OK)");
}

TEST_F(ConnectionTest, AHookThatFailsIsCalledAgainOnTheNextConnection) {
  int opened = 0;
  events_.open = [&](Opening opening) {
    if (++opened < 3) return opening.Fail("not yet");
    opening.Done();
  };
  StartAndWait();
  EXPECT_THAT(failures_, ElementsAre(Error::kOpenFailed, Error::kOpenFailed));
  EXPECT_EQ(reasons_[0], "not yet");
}

TEST_F(ConnectionTest, AHookThatForgetsToEndIsGivenUp) {
  options_.connect_timeout = milliseconds(20);
  events_.open = [](Opening) {};
  Start();
  Until([&] { return failures_.size() == 2; });
  EXPECT_EQ(failures_[0], Error::kConnectTimeout);
}

TEST_F(ConnectionTest, ASubscriptionTakesNoReply) {
  events_.open = [](Opening opening) {
    opening.Send({"SUBSCRIBE", "news"});
    opening.Done();
  };
  broker_.on_command = [](Peer& peer, const Command& command) {
    peer.Send(command[0] == "SUBSCRIBE" ? ">3\r\n+subscribe\r\n+news\r\n:1\r\n" : "+OK\r\n");
  };
  Start();
  connection_->Execute({"PING"}, Log("ping"));
  Until([&] { return log_.size() == 2; });
  EXPECT_THAT(log_, ElementsAre("push(simple(subscribe) simple(news) 1)", "ping: simple(OK)"));
}

TEST_F(ConnectionTest, ASilentBrokerIsAskedAndThenGivenUp) {
  options_.ping_after = options_.ping_timeout = milliseconds(20);
  AnswerOnlyHello();
  StartAndWait();
  Until([&] { return !losses_.empty(); });
  EXPECT_EQ(losses_[0], Error::kPeerSilent);
  EXPECT_EQ(broker_.peers[0]->commands.back(), Command{"PING"});
}

TEST_F(ConnectionTest, ABrokerThatAnswersPingIsKept) {
  options_.ping_after = options_.ping_timeout = milliseconds(5);
  StartAndWait();
  Until([&] { return Received().size() >= 5; });
  EXPECT_THAT(losses_, IsEmpty());
}

// ---- ending ----

TEST_F(ConnectionTest, FinishWaitsForTheRepliesAndTakesNoMoreCommands) {
  StartAndWait();
  bool closed = false;
  connection_->Execute({"PING"}, Log("before"));
  connection_->Finish(std::chrono::seconds(10), [&] { closed = true; });
  connection_->Execute({"PING"}, Log("after"));
  Until([&] { return closed; });
  Settle();
  EXPECT_THAT(log_, ::testing::UnorderedElementsAre("after: " + Outcome(Error::kClosed),
                                                    "before: simple(OK)"));
  Until([&] { return broker_.peer().ended; });
  EXPECT_THAT(losses_, IsEmpty());
}

TEST_F(ConnectionTest, FinishWithNothingToDoClosesAlsoWithoutAConnection) {
  broker_.Stop();
  Start();
  bool closed = false;
  connection_->Finish(std::chrono::seconds(10), [&] { closed = true; });
  EXPECT_FALSE(closed);
  Until([&] { return closed; });
}

TEST_F(ConnectionTest, FinishWaitsNoLongerThanItMay) {
  AnswerOnlyHello();
  StartAndWait();
  bool closed = false;
  connection_->Execute({"PING"}, Log("ping"));
  connection_->Finish(milliseconds(20), [&] { closed = true; });
  Until([&] { return closed && !log_.empty(); });
  EXPECT_THAT(log_, ElementsAre("ping: " + Outcome(Error::kOutcomeUnknown)));
}

TEST_F(ConnectionTest, CloseTellsEveryHandlerLaterAndNothingElse) {
  AnswerOnlyHello();
  StartAndWait();
  connection_->Execute({"PING"}, Log("sent"));
  Until([&] { return Received().size() == 1; });
  connection_->Execute({"PING"}, Log("unsent"));
  connection_->Close();
  connection_->Execute({"PING"}, Log("after"));
  EXPECT_THAT(log_, IsEmpty());
  Until([&] { return log_.size() == 3; });
  EXPECT_THAT(
      log_, ElementsAre("sent: " + Outcome(Error::kOutcomeUnknown),
                        "unsent: " + Outcome(Error::kClosed), "after: " + Outcome(Error::kClosed)));
  EXPECT_THAT(losses_, IsEmpty());
  EXPECT_EQ(readies_, 1);
}

TEST_F(ConnectionTest, AfterCloseTheLoopHasNothingLeftToDo) {
  StartAndWait();
  broker_.Stop();
  connection_->Close();
  Until([&] { return broker_.peer().ended; });
  io_.restart();
  io_.run();  // returns, or the test's time is over
}

TEST_F(ConnectionTest, AConnectionMayBeDestroyedByItsOwnHandlers) {
  StartAndWait();
  connection_->Execute({"PING"}, [this](error_code, const Value& reply) {
    connection_.reset();
    log_.push_back(Spell(reply));
  });
  connection_->Execute({"PING"}, Log("dropped"));
  Until([&] { return log_.size() == 1; });
  Settle();
  EXPECT_THAT(log_, ElementsAre("simple(OK)"));
}

TEST_F(ConnectionTest, AConnectionMayBeDestroyedWhenItIsLost) {
  events_.lost = [this](error_code error, std::string_view) {
    losses_.push_back(error);
    connection_.reset();
  };
  AnswerOnlyHello();
  StartAndWait();
  connection_->Execute({"PING"}, Log("dropped"));
  Until([&] { return Received().size() == 1; });
  broker_.peer().Close();
  Until([&] { return !losses_.empty(); });
  Settle();
  EXPECT_THAT(log_, IsEmpty());
}

}  // namespace
}  // namespace chorale::client
