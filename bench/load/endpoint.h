// Where the server listens, looked up once for all connections. Thread-safe: constant.

#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/socket.h>

#include <string_view>

#include "clients/cpp/options.h"

namespace chorale::bench {

// The status of a system call that has failed, as errno says.
[[nodiscard]] absl::Status ErrnoStatus(std::string_view what);

class Endpoint {
 public:
  // Takes the first of the host's addresses that accepts a connection.
  [[nodiscard]] static absl::StatusOr<Endpoint> Find(const client::Address& address);

  // A socket that is connected, or with `wait` false perhaps about to be.
  [[nodiscard]] absl::StatusOr<int> Connect(bool wait) const;

 private:
  sockaddr_storage address_{};
  socklen_t size_ = 0;
};

}  // namespace chorale::bench
