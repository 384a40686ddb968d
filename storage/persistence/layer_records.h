// The contents of the rows of layers: records.proto, from and to what the layers hold.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "storage/layers/mailbox.h"
#include "storage/layers/policy.h"

namespace chorale {

// Each replaces what `*out` held; each reader returns nullopt if the content makes no sense.
void EncodePolicy(const LayerPolicy& policy, std::string* out);
[[nodiscard]] std::optional<LayerPolicy> DecodePolicy(std::string_view content);

struct StoredMessage {
  std::string content;
  int64_t expires_at_ms;
};
void EncodeMessage(std::string_view message, int64_t expires_at_ms, std::string* out);
[[nodiscard]] std::optional<StoredMessage> DecodeMessage(std::string_view content);

void EncodeMailbox(const MailboxState& state, std::string* out);
[[nodiscard]] std::optional<MailboxState> DecodeMailbox(std::string_view content);

void EncodeEvent(const MailboxEvent& event, std::string* out);
[[nodiscard]] std::optional<MailboxEvent> DecodeEvent(uint64_t number, std::string_view content);

}  // namespace chorale
