#include "broker/authentication.h"

#include <cstddef>

namespace chorale {
namespace {

bool IsLocal(const ClientInfo& info) {
  return info.unix_socket || info.address.starts_with("127.") || info.address.starts_with("[::1]:");
}

}  // namespace

bool EqualInConstantTime(std::string_view given, std::string_view secret) {
  // An index into an empty secret would be out of range; one zero byte stands in for it.
  const std::string_view compared = secret.empty() ? std::string_view("\0", 1) : secret;
  unsigned difference = given.size() != secret.size();
  for (size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i]) ^
                  static_cast<unsigned char>(compared[i % compared.size()]);
  }
  return difference == 0;
}

bool PasswordMatches(const Config& config, std::string_view user, std::string_view password) {
  const std::string secret = config.requirepass.get();
  const bool matches = secret.empty() || EqualInConstantTime(password, secret);
  return user == kDefaultUser && matches;
}

bool DebugAllowed(const Config& config, const ClientInfo& client) {
  enum { kNo, kYes, kLocal };
  const int64_t enabled = config.enable_debug_command;
  return enabled == kYes || (enabled == kLocal && IsLocal(client));
}

}  // namespace chorale
