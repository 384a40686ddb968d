#include "bench/load/workloads/mailbox.h"

#include "bench/load/clock.h"

namespace chorale::bench {
namespace {

constexpr int64_t kDelay = kSecond / 50;
constexpr int64_t kQuarterOfCapacity = 25;  // of the usual 100
constexpr int kCapacity = 10'000;

}  // namespace

absl::Status SetLayer(Connection& control) {
  return control.Execute({"LAYER.SET", kLayer, "CAPACITY", kCapacity});
}

absl::Status Mailbox::Open(Connection& connection) {
  return connection.Execute({"MAILBOX.OPEN", kLayer, name_}, [this](const client::Value& reply) {
    epoch_ = reply[0].integer();
    number_ = acknowledged_number_ = reply[1].integer();
  });
}

std::string_view Mailbox::OnPush(const client::Value& push) {
  const std::string_view kind = push[0].text();
  number_ = push[2].integer();
  if (kind != "channel-message" && kind != "group-message") return {};
  ++consumed_;
  return push[4].text();
}

void Mailbox::AcknowledgeIfDue(Connection& connection, int64_t now) {
  if (number_ == acknowledged_number_) return;
  if (consumed_ - acknowledged_consumed_ < kQuarterOfCapacity && now - acknowledged_at_ < kDelay) {
    return;
  }
  connection.Append({"MAILBOX.ACK", kLayer, name_, number_, consumed_, "EPOCH", epoch_});
  acknowledged_number_ = number_;
  acknowledged_consumed_ = consumed_;
  acknowledged_at_ = now;
}

}  // namespace chorale::bench
