#include "broker/mailbox_delivery.h"

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "broker/client.h"
#include "broker/connection.h"
#include "broker/frame.h"
#include "broker/io_thread.h"
#include "broker/wake_list.h"
#include "protocol/reply_writer.h"

namespace chorale {
namespace {

using Kind = MailboxEvent::Kind;

// Events that are written in one go; others have their turn in between.
constexpr size_t kEventsPerTurn = 256;
// A body from this size on is not copied for each mailbox, but shared by the connections it is sent
// to.
constexpr size_t kShareFrom = 64 << 10;

std::string_view WordFor(Kind kind) {
  switch (kind) {
    case Kind::kMessage:
      return "channel-message";
    case Kind::kGroupMessage:
      return "group-message";
    case Kind::kJoin:
      return "group-join";
    case Kind::kLeave:
      return "group-leave";
    case Kind::kReset:
      return "mailbox-reset";
  }
  return {};
}

// Appends the event to `output`, which is to be sent next. A large body is handed to the
// connection, with what `output` held before it.
void WriteEvent(Connection& connection, std::string& output, uint64_t epoch,
                const MailboxEvent& event) {
  ReplyWriter push(&output, 3);
  const bool message = event.message != nullptr;
  push.PushHeader(4 + (message ? 1 : 0) + event.channels.size());
  push.Bulk(WordFor(event.kind));
  push.Integer(static_cast<int64_t>(epoch));
  push.Integer(static_cast<int64_t>(event.number));
  push.Bulk(event.name);
  if (message && event.message->size() >= kShareFrom && !connection.processing()) {
    fmt::format_to(std::back_inserter(output), "${}\r\n", event.message->size());
    connection.Deliver(output);
    connection.Deliver(event.message);
    output = "\r\n";
  } else if (message) {
    push.Bulk(*event.message);
  }
  for (const std::string& channel : event.channels) push.Bulk(channel);
}

}  // namespace

// The lock of the mailbox is held: nothing is sent here.
void MailboxDelivery::Wake() {
  IoThread* const here = IoThread::Current();
  if (here != nullptr && here->wakes().in_turn()) {
    here->wakes().Add(shared_from_this());
  } else {
    thread_.Post([self = shared_from_this()] { self->Deliver(); });
  }
}

bool MailboxDelivery::IsFor(const Connection& connection) const {
  return &thread_ == IoThread::Current() && connection_.lock().get() == &connection;
}

void MailboxDelivery::Deliver() {
  const auto connection = connection_.lock();
  if (connection == nullptr) return;
  if (connection->processing()) return thread_.wakes().Add(shared_from_this());
  std::string pushes = thread_.TakeReplyBuffer();
  Append(*connection, pushes);
  connection->Push(pushes);
  thread_.ReturnReplyBuffer(std::move(pushes));
}

void MailboxDelivery::DeliverWith(std::string& replies) {
  if (const auto connection = connection_.lock()) Append(*connection, replies);
}

void MailboxDelivery::Append(Connection& connection, std::string& output) {
  if (connection.ending()) return;
  const size_t room = connection.RoomForEvents();
  if (room == 0) return;
  const bool all = mailbox_->Take(this, {kEventsPerTurn, room}, thread_.now_ms(),
                                  [&](uint64_t epoch, const MailboxEvent& event) {
                                    WriteEvent(connection, output, epoch, event);
                                  });
  if (!all) thread_.DeliverLater(shared_from_this());
}

void MailboxDelivery::BeTaken(uint64_t epoch) {
  thread_.Post([self = shared_from_this(), epoch] { self->TellTaken(epoch); });
}

void MailboxDelivery::TellTaken(uint64_t epoch) {
  const auto connection = connection_.lock();
  if (connection == nullptr || connection->closed()) return;
  if (std::erase(connection->client().mailboxes, shared_from_this()) == 0) return;  // let go since
  auto bytes = std::make_shared<std::string>();
  ReplyWriter push(bytes.get(), 3);
  push.PushHeader(2);
  push.Bulk("mailbox-taken");
  push.Integer(static_cast<int64_t>(epoch));
  connection->Deliver(Frame(std::move(bytes)));
}

}  // namespace chorale
