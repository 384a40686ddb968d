#include "broker/blocking.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "broker/clock.h"
#include "broker/commands/errors.h"
#include "broker/connection.h"
#include "broker/io_thread.h"
#include "broker/server.h"
#include "protocol/numbers.h"

namespace chorale {
namespace {

LeasingPopFunction WithLease(const BlockingPop& pop) {
  if (pop.leasing_pop) return pop.leasing_pop;
  return [pop = pop.pop](LockedKeys& keys, std::string_view key,
                         ReplyWriter& reply) -> std::unique_ptr<Lease> {
    pop(keys, key, reply);
    return nullptr;
  };
}

// A client blocked on keys. The reply travels to the client's thread as a task.
class BlockedClient final : public Waiter {
 public:
  BlockedClient(CommandContext& context, const BlockingPop& pop)
      : Waiter(context.db, {pop.keys.begin(), pop.keys.end()}, pop.wanted, std::string(pop.target)),
        thread_(context.thread),
        connection_(context.client.connection.weak_from_this()),
        protocol_(context.client.protocol),
        pop_(WithLease(pop)) {}

  void Serve(LockedKeys& keys, const std::string& key) override {
    std::string reply;
    ReplyWriter writer(&reply, protocol_);
    // Shared, because a task must be copyable.
    auto lease = std::make_shared<std::unique_ptr<Lease>>(pop_(keys, key, writer));
    thread_.Post([&thread = thread_, connection = connection_, reply = std::move(reply), lease] {
      const auto alive = connection.lock();
      if (alive != nullptr && alive->Unblock(reply, *lease)) return;
      if (*lease != nullptr) GiveBack(thread, std::move(*lease));
    });
  }

 private:
  IoThread& thread_;
  const std::weak_ptr<Connection> connection_;
  const int protocol_;
  const LeasingPopFunction pop_;
};

// A client whose own socket time-out equals the blocking time-out gives up at the moment at which
// the answer is sent. The answer therefore leaves a little earlier.
int64_t AnswerAfter(int64_t timeout_ms, int64_t early_ms) {
  if (timeout_ms == 0 || early_ms == 0) return timeout_ms;
  return std::max(timeout_ms - early_ms, (timeout_ms + 1) / 2);
}

}  // namespace

void PopOrBlock(CommandContext& context, BlockingPop pop) {
  for (const std::string_view key : pop.keys) {
    const Entry* entry = context.keys.Lookup(context.db, key);
    if (entry == nullptr) continue;
    if (entry->type() != pop.wanted) {
      context.reply.Error(kWrongType);
      return;
    }
    if (pop.leasing_pop) {
      context.client.connection.set_lease(pop.leasing_pop(context.keys, key, context.reply));
    } else {
      pop.pop(context.keys, key, context.reply);
    }
    return;
  }
  if (!context.may_block()) {
    return pop.null_array_at_once ? context.reply.NullArray() : context.reply.Null();
  }
  std::string nothing;
  ReplyWriter(&nothing, context.client.protocol).NullArray();
  const auto waiter = std::make_shared<BlockedClient>(context, pop);
  context.keys.Register(waiter);
  const int64_t early_ms = context.server.config().blocking_reply_early_ms.load();
  context.client.connection.Block(waiter, AnswerAfter(pop.timeout_ms, early_ms),
                                  std::move(nothing));
}

std::optional<int64_t> ParseTimeout(CommandContext& context, std::string_view text) {
  const auto seconds = ParseLongDouble(text);
  if (!seconds) {
    context.reply.Error("ERR timeout is not a float or out of range");
    return std::nullopt;
  }
  if (*seconds < 0) {
    context.reply.Error("ERR timeout is negative");
    return std::nullopt;
  }
  const long double milliseconds = std::ceil(*seconds * 1000);
  if (milliseconds > static_cast<long double>(std::numeric_limits<int64_t>::max() / 2)) {
    context.reply.Error("ERR timeout is out of range");
    return std::nullopt;
  }
  return static_cast<int64_t>(milliseconds);
}

std::optional<int64_t> ParseMilliseconds(CommandContext& context, std::string_view text) {
  const auto milliseconds = ParseInt64(text);
  if (!milliseconds) {
    context.reply.Error("ERR timeout is not an integer or out of range");
    return std::nullopt;
  }
  if (*milliseconds < 0) {
    context.reply.Error("ERR timeout is negative");
    return std::nullopt;
  }
  if (*milliseconds > std::numeric_limits<int64_t>::max() - UnixMillis()) {
    context.reply.Error("ERR timeout is out of range");
    return std::nullopt;
  }
  return milliseconds;
}

}  // namespace chorale
