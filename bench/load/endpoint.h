// Where the server listens, looked up once for all connections. Thread-safe: constant.

#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/socket.h>

#include <cstdint>
#include <string_view>

#include "clients/cpp/options.h"

namespace chorale::bench {

// The status of a system call that has failed, as errno says.
[[nodiscard]] absl::Status ErrnoStatus(std::string_view what);

class Endpoint {
 public:
  // Takes the first of the host's addresses that accepts a connection.
  [[nodiscard]] static absl::StatusOr<Endpoint> Find(const client::Address& address);

  // A socket that is connected, or with `wait` false perhaps about to be. `source` is the address
  // of IPv4 to connect from, as a number; 0: any.
  [[nodiscard]] absl::StatusOr<int> Connect(bool wait, uint32_t source = 0) const;

  // Whether it is an address of 127.0.0.0/8.
  bool is_loopback() const;

 private:
  sockaddr_storage address_{};
  socklen_t size_ = 0;
};

}  // namespace chorale::bench
