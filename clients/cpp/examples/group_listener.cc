// Joins a group of a channel layer and prints every message that arrives, one line each, until
// SIGINT or SIGTERM. It outlives the broker: when the connection is lost it goes on with the next,
// where it left off if the broker still knows, and says on standard error if messages may be lost.
//
//   group_listener [--host HOST] [--port PORT] [--unix PATH] [--layer LAYER] GROUP
//
// Control characters and backslashes of a message are printed as \n, \x1b, \\.

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "clients/cpp/connection.h"

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using chorale::client::Connection;
using chorale::client::Opening;
using chorale::client::Value;

constexpr std::chrono::seconds kTimeToSayGoodbye{2};

struct Arguments {
  chorale::client::Address address;
  std::string layer = "asgi";
  std::string group;
};

std::string RandomMailbox() {
  std::random_device device;
  char name[32];
  std::snprintf(name, sizeof(name), "listener.%08x%08x!", device(), device());
  return name;
}

void PrintLine(std::string_view message) {
  for (const char c : message) {
    if (c == '\n') {
      std::fputs("\\n", stdout);
    } else if (c == '\\') {
      std::fputs("\\\\", stdout);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::printf("\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      std::putchar(c);
    }
  }
  std::putchar('\n');
  std::fflush(stdout);
}

class GroupListener {
 public:
  GroupListener(asio::io_context& io, Arguments arguments)
      : io_(io),
        arguments_(std::move(arguments)),
        connection_(io, {.address = arguments_.address, .name = "group_listener"}, MakeEvents()) {}

  void Start() { connection_.Start(); }

  // Leaves the group for good, if the broker is there.
  void Stop() {
    connection_.ExecuteNow({"MAILBOX.CLOSE", arguments_.layer, mailbox_});
    connection_.Finish(kTimeToSayGoodbye, ended);
  }

  // Called when nothing more will be printed.
  std::function<void()> ended;
  bool failed = false;

 private:
  chorale::client::Events MakeEvents() {
    return {
        .open = [this](Opening opening) { Open(opening); },
        .ready = [this] { Say("listening", arguments_.group); },
        .lost = [this](error_code, std::string_view reason) { Say("connection lost", reason); },
        .failed = [this](error_code, std::string_view reason) { SayOnce("no connection", reason); },
        .push = [this](const Value& push) { OnPush(push); },
    };
  }

  // ---- the mailbox, on every new connection ----

  void Open(const Opening& opening) {
    const auto opened = [this, opening](error_code error, const Value& reply) {
      if (error || !Accepted(opening, reply)) return;
      OnOpened(opening, reply[0].integer(), reply[1].integer());
    };
    if (epoch_) {
      opening.Execute({"MAILBOX.OPEN", arguments_.layer, mailbox_, "RESUME", *epoch_, number_},
                      opened);
    } else {
      opening.Execute({"MAILBOX.OPEN", arguments_.layer, mailbox_}, opened);
    }
  }

  void OnOpened(const Opening& opening, int64_t epoch, int64_t number) {
    if (epoch_ != epoch) {
      if (epoch_) Say("gap", "the broker has lost the mailbox; messages may be missing");
      BeginEpoch(epoch, number);
    }
    Join(opening, [opening] { opening.Done(); });
  }

  void BeginEpoch(int64_t epoch, int64_t number) {
    epoch_ = epoch;
    number_ = number;
    consumed_ = 0;
    groups_.clear();
  }

  // Being a member already does no harm: the membership begins anew.
  void Join(const Opening& opening, std::function<void()> joined) {
    opening.Execute(
        {"GROUP.ADD", arguments_.layer, arguments_.group, channel_},
        [this, opening, joined = std::move(joined)](error_code error, const Value& reply) {
          if (!error && Accepted(opening, reply)) joined();
        });
  }

  // A command that is wrong will be wrong next time as well; anything else may pass.
  bool Accepted(const Opening& opening, const Value& reply) {
    if (!reply.is_error()) return true;
    if (reply.error_code() == "ERR") {
      Fail(reply.text());
    } else {
      opening.Fail(reply.text());
    }
    return false;
  }

  // ---- its events ----

  void OnPush(const Value& push) {
    const std::string_view kind = push[0].text();
    if (push[1].integer() != epoch_) return;  // of another mailbox, or one that is gone
    if (kind == "mailbox-taken") return Fail("another process has opened the mailbox");
    if (kind == "mailbox-reset") {
      Say("gap", "the broker has dropped messages");
      BeginEpoch(push[2].integer(), 0);
      return JoinAgain();  // the membership may be among what was dropped
    }
    number_ = push[2].integer();
    AcknowledgeLater();
    if (kind == "channel-message") {
      OnMessage(push[4].text(), true);
    } else if (kind == "group-message") {
      OnMessage(push[4].text(), groups_.contains(push[3].text()) && !IsLeftOut(push));
    } else if (kind == "group-join") {
      groups_.emplace(push[3].text());
    } else if (kind == "group-leave") {
      groups_.erase(std::string(push[3].text()));
      if (push[3].text() == arguments_.group) JoinAgain();  // it has expired, or was ended
    }
  }

  void OnMessage(std::string_view message, bool for_the_channel) {
    ++consumed_;
    if (for_the_channel) PrintLine(message);
  }

  // The channels at the end of a group's message do not get it. This mailbox has only one.
  static bool IsLeftOut(const Value& push) { return push.size() > 5; }

  void JoinAgain() {
    connection_.ExecuteNow({"GROUP.ADD", arguments_.layer, arguments_.group, channel_});
  }

  // One acknowledgement for all that one turn of the loop brings.
  void AcknowledgeLater() {
    if (std::exchange(acknowledging_, true)) return;
    asio::post(io_, [this] {
      acknowledging_ = false;
      // The channel at the end, with nothing left, is for layers that count by channel.
      connection_.ExecuteNow({"MAILBOX.ACK", arguments_.layer, mailbox_, number_, consumed_,
                              "EPOCH", *epoch_, channel_, 0});
    });
  }

  // ---- the rest ----

  void Say(std::string_view what, std::string_view detail) {
    said_ = detail;
    std::fprintf(stderr, "group_listener: %.*s: %.*s\n", static_cast<int>(what.size()), what.data(),
                 static_cast<int>(detail.size()), detail.data());
  }

  void SayOnce(std::string_view what, std::string_view detail) {
    if (said_ != detail) Say(what, detail);
  }

  void Fail(std::string_view reason) {
    Say("failed", reason);
    failed = true;
    connection_.Close();
    asio::post(io_, ended);
  }

  asio::io_context& io_;
  const Arguments arguments_;
  const std::string mailbox_ = RandomMailbox();
  const std::string channel_ = mailbox_ + "messages";
  std::optional<int64_t> epoch_;               // none: the mailbox was never opened
  int64_t number_ = 0;                         // of the last event that arrived
  int64_t consumed_ = 0;                       // messages of this epoch
  std::set<std::string, std::less<>> groups_;  // that the channel is a member of
  bool acknowledging_ = false;
  std::string said_;
  Connection connection_;
};

std::optional<Arguments> Read(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const bool option = word.starts_with("--");
    if (option && i + 1 == argc) return std::nullopt;
    if (word == "--host") {
      arguments.address.host = argv[++i];
    } else if (word == "--port") {
      const std::string_view port = argv[++i];
      const char* const end = port.data() + port.size();
      if (std::from_chars(port.data(), end, arguments.address.port).ptr != end) return std::nullopt;
    } else if (word == "--unix") {
      arguments.address.unix_path = argv[++i];
    } else if (word == "--layer") {
      arguments.layer = argv[++i];
    } else if (option || !arguments.group.empty()) {
      return std::nullopt;
    } else {
      arguments.group = word;
    }
  }
  if (arguments.group.empty()) return std::nullopt;
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<Arguments> arguments = Read(argc, argv);
  if (!arguments) {
    std::fputs(
        "usage: group_listener [--host HOST] [--port PORT] [--unix PATH] [--layer LAYER] GROUP\n",
        stderr);
    return 2;
  }
  asio::io_context io(1);
  GroupListener listener(io, *arguments);
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](const error_code& error, int) {
    if (!error) listener.Stop();
  });
  listener.ended = [&] { signals.cancel(); };
  listener.Start();
  io.run();
  return listener.failed ? 1 : 0;
}
