#include "broker/listener.h"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "broker/endpoint.h"

namespace chorale {
namespace {

namespace asio = boost::asio;
using Protocol = asio::generic::stream_protocol;
using boost::system::error_code;

// After running out of descriptors, accepting again at once would only spin.
constexpr std::chrono::milliseconds kRetryAccept{100};
// Connections accepted in one turn, so that a storm of them does not keep clients waiting.
constexpr int kMostAccepts = 64;

absl::Status Failure(const std::string& what, const error_code& error) {
  return absl::UnavailableError(absl::StrCat("cannot listen on ", what, ": ", error.message()));
}

// The address that a word of `bind` means. A name means its first IPv4 address if it has one.
asio::ip::tcp::endpoint Resolve(asio::io_context& io, const std::string& host, int port,
                                error_code& error) {
  const std::string numeric = host == "*" ? "0.0.0.0" : host == "::*" ? "::" : host;
  const auto address = asio::ip::make_address(numeric, error);
  if (!error) return {address, static_cast<uint16_t>(port)};
  asio::ip::tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(host, absl::StrCat(port), asio::ip::resolver_base::numeric_service, error);
  if (error) return {};
  const auto v4 = std::find_if(found.begin(), found.end(), [](const auto& entry) {
    return entry.endpoint().address().is_v4();
  });
  return v4 != found.end() ? v4->endpoint() : found.begin()->endpoint();
}

// True when this machine does not have the address; an address in use is another matter.
bool IsAbsent(const error_code& error) {
  return error == std::errc::address_not_available ||
         error == std::errc::address_family_not_supported ||
         error == std::errc::protocol_not_supported || error == std::errc::no_protocol_option;
}

// True when a broker answers on the socket file; a file left by one that died is removed.
bool UnixSocketInUse(const std::string& path) {
  asio::io_context io;
  asio::local::stream_protocol::socket probe(io);
  error_code error;
  probe.connect(asio::local::stream_protocol::endpoint(path), error);
  return !error;
}

}  // namespace

class Listener::Socket final : public EventLoop::Watcher {
 public:
  Socket(Listener& listener, int family)
      : acceptor(listener.io_), family_(family), listener_(listener) {}

  [[nodiscard]] bool Watch() {
    watching_ = listener_.loop_.Watch(acceptor.native_handle(), 0, EPOLLIN, *this);
    return watching_;
  }
  void Close() {
    error_code ignored;
    acceptor.close(ignored);
  }

  asio::basic_socket_acceptor<Protocol> acceptor;

 private:
  void OnReady(uint32_t) override;
  void Pause();

  const int family_;
  Listener& listener_;
  bool watching_ = false;
};

Listener::Listener(EventLoop& loop, OnAccept on_accept)
    : loop_(loop), io_(1), on_accept_(std::move(on_accept)) {}

Listener::~Listener() = default;

absl::Status Listener::Open(const Config& config) {
  const int backlog = static_cast<int>(config.tcp_backlog.load());
  port_ = static_cast<int>(config.port.load());
  const std::vector<std::string> hosts = absl::StrSplit(config.bind.get(), ' ', absl::SkipEmpty());
  for (const std::string& host : hosts) {
    if (port_ == 0) break;
    if (const absl::Status status = OpenTcp(host, backlog); !status.ok()) return status;
  }
  const std::string path = config.unixsocket.get();
  if (!path.empty()) {
    const absl::Status status =
        OpenUnix(path, static_cast<int>(config.unixsocketperm.load()), backlog);
    if (!status.ok()) return status;
  }
  if (sockets_.empty()) return absl::InvalidArgumentError("no address to listen on");
  return absl::OkStatus();
}

absl::Status Listener::OpenTcp(std::string host, int backlog) {
  const bool optional = host.starts_with('-');
  if (optional) host.erase(0, 1);
  error_code error;
  const asio::ip::tcp::endpoint endpoint = Resolve(io_, host, port_, error);
  if (error) return Failure(absl::StrCat(host, ":", port_), error);
  auto socket = std::make_unique<Socket>(*this, endpoint.protocol().family());
  auto& acceptor = socket->acceptor;
  acceptor.open(Protocol(endpoint.protocol()), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error && endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor.bind(Protocol::endpoint(endpoint), error);
  if (!error) acceptor.listen(backlog, error);
  if (optional && IsAbsent(error)) return absl::OkStatus();
  if (error) return Failure(Describe(endpoint), error);
  tcp_endpoints_.push_back(endpoint);
  addresses_.push_back(Describe(endpoint));
  sockets_.push_back(std::move(socket));
  return absl::OkStatus();
}

absl::Status Listener::OpenUnix(const std::string& path, int mode, int backlog) {
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("unixsocket '", path, "' is too long"));
  }
  if (UnixSocketInUse(path)) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", path, ": it is in use"));
  }
  ::unlink(path.c_str());
  auto socket = std::make_unique<Socket>(*this, AF_UNIX);
  const asio::local::stream_protocol::endpoint endpoint(path);
  error_code error;
  socket->acceptor.open(Protocol(endpoint.protocol()), error);
  if (!error) socket->acceptor.bind(Protocol::endpoint(endpoint), error);
  if (!error) socket->acceptor.listen(backlog, error);
  if (error) return Failure(path, error);
  unix_path_ = path;
  if (mode != 0 && ::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0) {
    return absl::UnavailableError(absl::StrCat("cannot set the mode of ", path));
  }
  addresses_.push_back(path);
  sockets_.push_back(std::move(socket));
  return absl::OkStatus();
}

std::string Listener::url(std::string_view userinfo) const {
  const absl::string_view user(userinfo.data(), userinfo.size());
  if (tcp_endpoints_.empty()) {
    return absl::StrCat("unix://", user, std::filesystem::absolute(unix_path_).string());
  }
  asio::ip::tcp::endpoint endpoint = tcp_endpoints_.front();
  if (endpoint.address().is_unspecified()) {
    endpoint.address(endpoint.address().is_v4()
                         ? asio::ip::address(asio::ip::address_v4::loopback())
                         : asio::ip::address(asio::ip::address_v6::loopback()));
  }
  return absl::StrCat("redis://", user, Describe(endpoint));
}

absl::Status Listener::StartAccepting() {
  for (auto& socket : sockets_) {
    error_code error;
    socket->acceptor.non_blocking(true, error);
    if (error || !socket->Watch()) return absl::UnavailableError("cannot watch for connections");
  }
  return absl::OkStatus();
}

void Listener::Socket::OnReady(uint32_t) {
  for (int i = 0; i < kMostAccepts && acceptor.is_open(); ++i) {
    const int descriptor =
        ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      listener_.on_accept_(descriptor, family_);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != ECONNABORTED && errno != EINTR) {
      spdlog::warn("cannot accept a connection: {}", std::strerror(errno));
      return Pause();
    }
  }
}

void Listener::Socket::Pause() {
  if (!watching_) return;
  (void)listener_.loop_.Watch(acceptor.native_handle(), EPOLLIN, 0, *this);
  watching_ = false;
  listener_.loop_.StartTimer(kRetryAccept, [this] {
    if (acceptor.is_open() && !Watch()) Pause();
  });
}

void Listener::Close() {
  for (auto& socket : sockets_) socket->Close();
  if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
}

}  // namespace chorale
