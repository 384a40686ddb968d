// The names of channels and groups, as the Channels specification has them: ASCII letters, digits,
// hyphens, underscores and full stops. A process-specific channel has one "!" in it; the part up to
// and including that is its mailbox.
// https://channels.readthedocs.io/en/latest/channel_layer_spec.html

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/container/fixed_array.h"

namespace chorale {

inline constexpr size_t kLongestLayerName = 100;

[[nodiscard]] bool IsGroupName(std::string_view name);
// "worker", "specific.Vb3!" (a whole mailbox is no channel) is not, "specific.Vb3!xK" is.
[[nodiscard]] bool IsChannelName(std::string_view name);
[[nodiscard]] bool IsMailboxName(std::string_view name);
// Of layers: any bytes but NUL.
[[nodiscard]] bool IsLayerName(std::string_view name);

// The mailbox of a channel; empty for a channel that any process may read.
[[nodiscard]] inline std::string_view MailboxOf(std::string_view channel) {
  const size_t mark = channel.find('!');
  return mark == std::string_view::npos ? std::string_view() : channel.substr(0, mark + 1);
}

// The key under which the store keeps a channel's queue, in the database of layers.
[[nodiscard]] std::string QueueKey(std::string_view layer, std::string_view channel);
// The same, without an allocation for valid names.
class QueueKeyText {
 public:
  QueueKeyText(std::string_view layer, std::string_view channel);
  operator std::string_view() const { return {text_.data(), text_.size()}; }

 private:
  absl::FixedArray<char, 256> text_;
};
[[nodiscard]] std::string_view LayerOfQueue(std::string_view key);
[[nodiscard]] std::string_view ChannelOfQueue(std::string_view key);

}  // namespace chorale
