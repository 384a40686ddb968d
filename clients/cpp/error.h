// Why a command has no reply, or a connection ended, beside the errors of the operating system. An
// error that the broker replies with is not among them: that is a reply, a Value of type kError.

#pragma once

#include <boost/system/error_code.hpp>
#include <type_traits>

namespace chorale::client {

enum class Error {
  // Of a command:
  kOutcomeUnknown = 1,  // it was sent, at least in part, and the connection ended before its reply
  kNotConnected,        // it was only for a connection that is up, and there was none
  kWaitedTooLong,       // it could not be sent within Options::unsent_timeout
  kTooManyCommands,     // Options::max_commands have no reply yet
  kTooManyBytes,        // it would be beyond Options::max_unsent_bytes
  kClosed,              // the connection was closed before it was sent
  // Of a connection:
  kConnectTimeout,  // no connection, no reply to HELLO or no end of Events::open in time
  kPeerSilent,      // no reply to PING in time
  kRefused,         // an error in reply to HELLO
  kOpenFailed,      // Events::open said so
  kBadReply,        // what arrived is no reply, or none that was asked for
};

[[nodiscard]] boost::system::error_code make_error_code(Error error);

}  // namespace chorale::client

template <>
struct boost::system::is_error_code_enum<chorale::client::Error> : std::true_type {};
