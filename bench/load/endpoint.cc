#include "bench/load/endpoint.h"

#include <absl/strings/str_cat.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

namespace chorale::bench {
absl::Status ErrnoStatus(std::string_view what) {
  return absl::UnavailableError(
      absl::StrCat(absl::string_view(what.data(), what.size()), ": ", std::strerror(errno)));
}

absl::StatusOr<Endpoint> Endpoint::Find(const client::Address& address) {
  Endpoint endpoint;
  absl::StatusOr<int> connected;
  if (!address.unix_path.empty()) {
    auto* const name = reinterpret_cast<sockaddr_un*>(&endpoint.address_);
    if (address.unix_path.size() >= sizeof(name->sun_path)) {
      return absl::InvalidArgumentError("the Unix socket's path is too long");
    }
    name->sun_family = AF_UNIX;
    std::memcpy(name->sun_path, address.unix_path.data(), address.unix_path.size());
    endpoint.size_ = sizeof(*name);
    connected = endpoint.Connect(true);
  } else {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(address.port);
    const int error = getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found);
    if (error != 0) {
      return absl::UnavailableError(absl::StrCat(address.host, ": ", gai_strerror(error)));
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
    for (const addrinfo* each = found; each != nullptr && !connected.ok(); each = each->ai_next) {
      std::memcpy(&endpoint.address_, each->ai_addr, each->ai_addrlen);
      endpoint.size_ = each->ai_addrlen;
      connected = endpoint.Connect(true);
    }
  }
  if (!connected.ok()) {
    return absl::UnavailableError(
        absl::StrCat(address.ToString(), ": ", connected.status().message()));
  }
  close(*connected);
  return endpoint;
}

absl::StatusOr<int> Endpoint::Connect(bool wait) const {
  const int family = address_.ss_family;
  // A Unix socket is connected at once or, while the server's backlog is full, not at all.
  const bool waits = wait || family == AF_UNIX;
  const int type = SOCK_STREAM | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK);
  const int descriptor = socket(family, type, 0);
  if (descriptor < 0) return ErrnoStatus("socket");
  absl::Status status;
  if (connect(descriptor, reinterpret_cast<const sockaddr*>(&address_), size_) != 0 &&
      (waits || errno != EINPROGRESS)) {
    status = ErrnoStatus("connect");
  }
  if (!status.ok()) {
    close(descriptor);
    return status;
  }
  const int on = 1;
  if (family != AF_UNIX) setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return descriptor;
}

}  // namespace chorale::bench
