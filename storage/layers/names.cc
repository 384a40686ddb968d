#include "storage/layers/names.h"

#include <algorithm>

namespace chorale {
namespace {

bool IsPlain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

}  // namespace

bool IsGroupName(std::string_view name) {
  return name.size() <= kLongestLayerName && IsPlain(name);
}

bool IsMailboxName(std::string_view name) {
  return name.size() <= kLongestLayerName && name.ends_with('!') &&
         IsPlain(name.substr(0, name.size() - 1));
}

bool IsChannelName(std::string_view name) {
  if (name.size() > kLongestLayerName) return false;
  const std::string_view mailbox = MailboxOf(name);
  if (mailbox.empty()) return IsPlain(name);
  return IsMailboxName(mailbox) && IsPlain(name.substr(mailbox.size()));
}

bool IsLayerName(std::string_view name) {
  return !name.empty() && name.size() <= kLongestLayerName &&
         name.find('\0') == std::string_view::npos;
}

QueueKeyText::QueueKeyText(std::string_view layer, std::string_view channel)
    : text_(layer.size() + 1 + channel.size()) {
  const auto end = std::copy(layer.begin(), layer.end(), text_.begin());
  *end = '\0';
  std::copy(channel.begin(), channel.end(), end + 1);
}

std::string QueueKey(std::string_view layer, std::string_view channel) {
  return std::string(QueueKeyText(layer, channel));
}

std::string_view LayerOfQueue(std::string_view key) { return key.substr(0, key.find('\0')); }

std::string_view ChannelOfQueue(std::string_view key) { return key.substr(key.find('\0') + 1); }

}  // namespace chorale
