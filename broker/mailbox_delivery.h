// A mailbox that a client has opened: brings its events to the client's connection as RESP3 pushes.
// protocol/README.md describes them. Made and held on the connection's thread.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "storage/layers/layer.h"

namespace chorale {

class Connection;
class IoThread;

class MailboxDelivery final : public MailboxOwner,
                              public std::enable_shared_from_this<MailboxDelivery> {
 public:
  MailboxDelivery(IoThread& thread, std::weak_ptr<Connection> connection,
                  std::shared_ptr<Layer> layer, std::shared_ptr<Mailbox> mailbox)
      : thread_(thread),
        connection_(std::move(connection)),
        layer_(std::move(layer)),
        mailbox_(std::move(mailbox)) {}

  IoThread& thread() { return thread_; }
  Layer& layer() { return *layer_; }
  Mailbox& mailbox() { return *mailbox_; }

  void Wake() override;
  void BeTaken(uint64_t epoch) override;
  // The client is gone, or lets the mailbox be.
  void Leave(int64_t now_ms) { mailbox_->Leave(this, now_ms); }

  // ---- on the connection's thread ----
  bool IsFor(const Connection& connection) const;
  // Sends what has come, as far as the client reads it. Of a client whose commands are running it
  // is sent behind their replies.
  void Deliver();
  // The same with replies that are about to be sent.
  void DeliverWith(std::string& replies);

 private:
  void Append(Connection& connection, std::string& output);
  void TellTaken(uint64_t epoch);

  IoThread& thread_;
  const std::weak_ptr<Connection> connection_;  // locked on its thread only
  const std::shared_ptr<Layer> layer_;
  const std::shared_ptr<Mailbox> mailbox_;
};

}  // namespace chorale
