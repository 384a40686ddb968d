#include "clients/cpp/error.h"

#include <string>

namespace chorale::client {
namespace {

class Category : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "chorale.client"; }
  std::string message(int value) const override {
    switch (static_cast<Error>(value)) {
      case Error::kOutcomeUnknown:
        return "the connection ended before the reply came: outcome unknown";
      case Error::kNotConnected:
        return "not connected";
      case Error::kWaitedTooLong:
        return "not sent: no connection for too long";
      case Error::kTooManyCommands:
        return "not sent: too many commands wait for their replies";
      case Error::kTooManyBytes:
        return "not sent: too many bytes wait to be sent";
      case Error::kClosed:
        return "not sent: the connection was closed";
      case Error::kConnectTimeout:
        return "no connection within the time-out";
      case Error::kPeerSilent:
        return "no reply to PING within the time-out";
      case Error::kRefused:
        return "the broker refused the connection";
      case Error::kOpenFailed:
        return "the connection could not be made ready";
      case Error::kBadReply:
        return "what arrived is no reply";
    }
    return "unknown error";
  }
};

}  // namespace

boost::system::error_code make_error_code(Error error) {
  static const Category category;
  return {static_cast<int>(error), category};
}

}  // namespace chorale::client
