// A client that waits for something other than a key: for another thread's answer, or for a time.
// Shared by the client's connection and whoever may answer; thread-safe.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "broker/command.h"
#include "storage/waiter.h"

namespace chorale {

class Connection;
class IoThread;

class PendingAnswer final : public Waiter {
 public:
  // Blocks the client until Give() is called or, unless `timeout_ms` is 0, the time is over: then
  // the reply is `on_timeout`. The context may block.
  static std::shared_ptr<PendingAnswer> Await(CommandContext& context, int64_t timeout_ms,
                                              std::string on_timeout);
  explicit PendingAnswer(CommandContext& context);

  // Ends the waiting with a reply, unless it has ended. Any thread.
  static void Give(const std::shared_ptr<PendingAnswer>& answer, std::string reply);

  // What the reply is from now on when the time is over. Any thread.
  static void GiveOnTimeout(const std::shared_ptr<PendingAnswer>& answer, std::string reply);

  void Serve(LockedKeys& keys, const std::string& key) override;

 private:
  IoThread& thread_;
  const std::weak_ptr<Connection> connection_;
};

}  // namespace chorale
