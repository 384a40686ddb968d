#include "broker/pending_answer.h"

#include <cassert>
#include <utility>

#include "broker/client.h"
#include "broker/connection.h"
#include "broker/io_thread.h"

namespace chorale {

PendingAnswer::PendingAnswer(CommandContext& context)
    : Waiter(context.db, {}, ValueType::kString),
      thread_(context.thread),
      connection_(context.client.connection.weak_from_this()) {}

std::shared_ptr<PendingAnswer> PendingAnswer::Await(CommandContext& context, int64_t timeout_ms,
                                                    std::string on_timeout) {
  auto answer = std::make_shared<PendingAnswer>(context);
  context.client.connection.Block(answer, timeout_ms, std::move(on_timeout));
  return answer;
}

void PendingAnswer::Give(const std::shared_ptr<PendingAnswer>& answer, std::string reply) {
  answer->thread_.Post([answer, reply = std::move(reply)] {
    const auto connection = answer->connection_.lock();
    if (connection == nullptr || !answer->Claim()) return;
    std::unique_ptr<Lease> nothing;
    (void)connection->Unblock(reply, nothing);
  });
}

void PendingAnswer::GiveOnTimeout(const std::shared_ptr<PendingAnswer>& answer, std::string reply) {
  answer->thread_.Post([answer, reply = std::move(reply)] {
    const auto connection = answer->connection_.lock();
    if (connection != nullptr) connection->SetReplyOnTimeout(answer.get(), reply);
  });
}

// It is registered on no key.
void PendingAnswer::Serve(LockedKeys& /*keys*/, const std::string& /*key*/) { assert(false); }

}  // namespace chorale
