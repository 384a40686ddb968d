#include "storage/persistence/layer_records.h"

#include <memory>

#include "persistence/records.pb.h"

namespace chorale {
namespace {

template <typename Record>
std::optional<Record> Parse(std::string_view content) {
  Record record;
  if (!record.ParseFromArray(content.data(), static_cast<int>(content.size()))) return std::nullopt;
  return record;
}

}  // namespace

void EncodePolicy(const LayerPolicy& policy, std::string* out) {
  records::Policy record;
  record.set_expiry_ms(policy.expiry_ms);
  record.set_group_expiry_ms(policy.group_expiry_ms);
  record.set_grace_ms(policy.grace_ms);
  record.set_capacity(policy.capacity);
  record.set_per_channel(policy.scope == CapacityScope::kChannel);
  for (const LayerPolicy::Exception& exception : policy.exceptions) {
    records::Policy::Exception* const added = record.add_exceptions();
    added->set_pattern(exception.pattern);
    added->set_capacity(exception.capacity);
  }
  record.SerializeToString(out);
}

std::optional<LayerPolicy> DecodePolicy(std::string_view content) {
  const auto record = Parse<records::Policy>(content);
  if (!record) return std::nullopt;
  LayerPolicy policy;
  policy.expiry_ms = record->expiry_ms();
  policy.group_expiry_ms = record->group_expiry_ms();
  policy.grace_ms = record->grace_ms();
  policy.capacity = record->capacity();
  policy.scope = record->per_channel() ? CapacityScope::kChannel : CapacityScope::kMailbox;
  for (const auto& exception : record->exceptions()) {
    policy.exceptions.push_back({exception.pattern(), exception.capacity()});
  }
  return policy;
}

void EncodeMessage(std::string_view message, int64_t expires_at_ms, std::string* out) {
  records::Message record;
  record.set_content(message.data(), message.size());
  record.set_expires_at_ms(expires_at_ms);
  record.SerializeToString(out);
}

std::optional<StoredMessage> DecodeMessage(std::string_view content) {
  auto record = Parse<records::Message>(content);
  if (!record) return std::nullopt;
  return StoredMessage{std::move(*record->mutable_content()), record->expires_at_ms()};
}

void EncodeMailbox(const MailboxState& state, std::string* out) {
  records::Mailbox record;
  record.set_epoch(state.epoch);
  record.set_acknowledged(state.acknowledged);
  record.set_last(state.last);
  record.set_last_membership(state.last_membership);
  record.set_consumed(state.consumed);
  record.set_acknowledged_messages(state.acknowledged_messages);
  record.set_unconsumed(state.unconsumed);
  if (state.capacity) record.set_capacity(*state.capacity);
  record.set_in_part(state.in_part);
  for (const auto& [channel, count] : state.unconsumed_by_channel) {
    (*record.mutable_unconsumed_by_channel())[channel] = count;
  }
  record.SerializeToString(out);
}

std::optional<MailboxState> DecodeMailbox(std::string_view content) {
  const auto record = Parse<records::Mailbox>(content);
  if (!record) return std::nullopt;
  MailboxState state;
  state.epoch = record->epoch();
  state.acknowledged = record->acknowledged();
  state.last = record->last();
  state.last_membership = record->last_membership();
  state.consumed = record->consumed();
  state.acknowledged_messages = record->acknowledged_messages();
  state.unconsumed = record->unconsumed();
  if (record->has_capacity()) state.capacity = record->capacity();
  state.in_part = record->in_part();
  for (const auto& [channel, count] : record->unconsumed_by_channel()) {
    state.unconsumed_by_channel.emplace(channel, count);
  }
  return state;
}

void EncodeEvent(const MailboxEvent& event, std::string* out) {
  records::Event record;
  record.set_kind(static_cast<uint32_t>(event.kind));
  record.set_name(event.name);
  if (event.message != nullptr) record.set_message(*event.message);
  for (const std::string& channel : event.channels) record.add_channels(channel);
  record.set_expires_at_ms(event.expires_at_ms);
  record.SerializeToString(out);
}

std::optional<MailboxEvent> DecodeEvent(uint64_t number, std::string_view content) {
  auto record = Parse<records::Event>(content);
  using Kind = MailboxEvent::Kind;
  if (!record || record->kind() >= static_cast<uint32_t>(Kind::kReset)) return std::nullopt;
  MailboxEvent event{static_cast<Kind>(record->kind()),
                     number,
                     record->name(),
                     nullptr,
                     {record->channels().begin(), record->channels().end()},
                     record->expires_at_ms(),
                     0};
  if (IsMessage(event) != record->has_message()) return std::nullopt;
  if (IsMessage(event)) {
    event.message = std::make_shared<const std::string>(std::move(*record->mutable_message()));
  }
  return event;
}

}  // namespace chorale
