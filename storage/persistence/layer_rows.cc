#include "storage/persistence/layer_rows.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "storage/layers/layer.h"
#include "storage/persistence/layer_records.h"
#include "storage/persistence/row_scan.h"

namespace chorale {
namespace {

std::optional<int64_t> ReadExpiry(std::string_view content) {
  ContentReader reader(content);
  const auto expires_at_ms = static_cast<int64_t>(reader.Little64());
  return reader.done() ? std::optional(expires_at_ms) : std::nullopt;
}

}  // namespace

bool LayerRows::Read(Family family, std::string_view name, std::string_view content) {
  switch (family) {
    case Family::kLayers:
      return ReadLayer(name, content);
    case Family::kChannels:
      return ReadMessage(name, content);
    case Family::kMailboxes:
      return ReadMailbox(name, content);
    default:
      return false;
  }
}

bool LayerRows::NoteLayer(std::string_view layer) {
  if (!layers_.contains(layer)) layers_.emplace(layer);
  return layers_.size() <= LayerRegistry::kMost;
}

bool LayerRows::ReadLayer(std::string_view name, std::string_view content) {
  const auto read = ReadLayerName(name);
  if (!read || !NoteLayer(read->layer)) return false;
  if (read->group.empty()) {
    auto policy = DecodePolicy(content);
    if (policy) sink_.TakePolicy(read->layer, std::move(*policy));
    return policy.has_value();
  }
  const auto expires_at_ms = ReadExpiry(content);
  if (expires_at_ms) sink_.TakeMember(*read, *expires_at_ms);
  return expires_at_ms.has_value();
}

bool LayerRows::ReadMessage(std::string_view name, std::string_view content) {
  const auto read = ReadMessageName(name);
  auto message = DecodeMessage(content);
  if (!read || !message) return false;
  if (queue_ == nullptr || read->queue_key != queue_key_) {
    if (!FinishQueue() || !NoteLayer(read->layer)) return false;
    queue_key_ = read->queue_key;
    queue_ = std::make_unique<ChannelQueue>();
  }
  return queue_->Restore(read->number, std::move(message->content), message->expires_at_ms);
}

bool LayerRows::FinishQueue() {
  if (queue_ != nullptr) sink_.TakeQueue(queue_key_, std::move(queue_));
  return true;
}

// Of one mailbox come its events, then its members, then its state.
bool LayerRows::ReadMailbox(std::string_view name, std::string_view content) {
  const auto read = ReadMailboxName(name);
  if (!read) return false;
  if (!mailbox_ || read->layer != mailbox_->layer || read->mailbox != mailbox_->name) {
    if (!FinishMailbox() || !NoteLayer(read->layer)) return false;
    mailbox_ = {std::string(read->layer), std::string(read->mailbox), {}, {}, {}};
  }
  switch (read->kind) {
    case MailboxRowName::Kind::kEvent: {
      auto event = DecodeEvent(read->number, content);
      if (event) mailbox_->events.push_back(std::move(*event));
      return event.has_value();
    }
    case MailboxRowName::Kind::kMember: {
      const auto expires_at_ms = ReadExpiry(content);
      if (!expires_at_ms) return false;
      mailbox_->members.push_back(
          {std::string(read->group), std::string(read->channel), *expires_at_ms});
      return true;
    }
    case MailboxRowName::Kind::kState:
      state_ = DecodeMailbox(content);
      return state_.has_value();
  }
  return false;
}

// A mailbox is never written without its state, which knows of the last event on disk, and what the
// owner has acknowledged is erased in the round that writes it (Mailbox::Save). Messages that
// expired leave gaps.
bool LayerRows::FinishMailbox() {
  if (!mailbox_) return true;
  if (!state_ || state_->last < state_->acknowledged) return false;
  const std::vector<MailboxEvent>& events = mailbox_->events;
  if (!events.empty()) {
    if (events.front().number <= state_->acknowledged) return false;
    if (events.back().number > state_->last) return false;
  }
  mailbox_->state = std::move(*std::exchange(state_, std::nullopt));
  sink_.TakeMailbox(std::move(*std::exchange(mailbox_, std::nullopt)));
  return true;
}

absl::Status ReadLayerRows(DataDirectory& directory, LayerRows& rows,
                           absl::FunctionRef<bool(size_t bytes)> on_row) {
  for (const Family family : {Family::kLayers, Family::kChannels, Family::kMailboxes}) {
    const auto read = [&](std::string_view name, std::string_view content) {
      return on_row(name.size() + content.size()) && rows.Read(family, name, content);
    };
    if (const auto status = RowScan(directory, family).ForEach({}, read); !status.ok()) {
      return status;
    }
    if (!rows.Finish()) {
      return Damaged(directory, fmt::format("the end of the family {} makes no sense",
                                            kFamilyNames[static_cast<size_t>(family)]));
    }
  }
  return absl::OkStatus();
}

}  // namespace chorale
