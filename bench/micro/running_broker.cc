#include "bench/micro/running_broker.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/synchronization/notification.h"
#include "broker/client_end.h"
#include "broker/connection.h"
#include "broker/dispatch.h"

namespace chorale::bench {
namespace {

constexpr size_t kInputBytes = 1 << 20;
constexpr timeval kLongestWait{10, 0};
constexpr int kNoSocket = -1;

}  // namespace

// ---- the broker ----

RunningBroker::RunningBroker(int threads) {
  std::error_code error;
  std::string name = (std::filesystem::temp_directory_path(error) / "chorale-XXXXXX").string();
  if (error || ::mkdtemp(name.data()) == nullptr) {
    error_ = "no directory for the socket";
    return;
  }
  directory_ = name;
  socket_path_ = directory_ + "/socket";
  config_.port = 0;
  config_.threads = threads;
  config_.unixsocket.set(socket_path_);
  server_ = std::make_unique<Server>(config_);
  if (const auto status = server_->Start(); !status.ok()) error_ = std::string(status.message());
}

RunningBroker::~RunningBroker() {
  if (error_.empty()) {
    server_->RequestStop();
    (void)server_->Run();
  }
  server_.reset();
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

void RunningBroker::OnThread(const std::function<void(IoThread&)>& work) {
  absl::Notification done;
  IoThread& thread = *server_->threads().front();
  thread.Post([&] {
    work(thread);
    done.Notify();
  });
  done.WaitForNotification();
}

// ---- a client without a socket ----

SocketlessClient::SocketlessClient(IoThread& thread)
    : connection_(std::make_shared<Connection>(thread, kNoSocket)) {
  connection_->client().authenticated = true;
  connection_->client().info->thread = &thread;
}

SocketlessClient::~SocketlessClient() { EndClient(connection_->client()); }

void SocketlessClient::Run(const std::vector<std::string_view>& words, std::string& replies) {
  ReplyWriter writer(&replies, connection_->client().protocol);
  Dispatch(*connection_, words, writer);
}

// ---- a client with a socket ----

SocketClient::SocketClient(const std::string& path) : input_(kInputBytes) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, path.data(), path.size());
  descriptor_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  (void)::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &kLongestWait, sizeof(kLongestWait));
  if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    Close();
  }
}

SocketClient::~SocketClient() { Close(); }

void SocketClient::Close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

void SocketClient::Send(std::string_view bytes) {
  while (ok() && !bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return Close();
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

client::Value SocketClient::Receive() {
  using Result = client::ReplyParser::Result;
  while (ok()) {
    const std::string_view unread(input_.data() + consumed_, filled_ - consumed_);
    const Result result = unread.empty() ? Result::kNeedMore : parser_.Parse(unread);
    if (result == Result::kReply) {
      consumed_ += parser_.reply_size();
      return parser_.value();
    }
    if (unread.empty()) consumed_ = filled_ = 0;
    if (filled_ == input_.size()) {
      std::memmove(input_.data(), unread.data(), unread.size());
      filled_ -= std::exchange(consumed_, 0);
    }
    const ssize_t read = ::read(descriptor_, input_.data() + filled_, input_.size() - filled_);
    if (result == Result::kError || read <= 0) {
      Close();
    } else {
      filled_ += static_cast<size_t>(read);
    }
  }
  return {};
}

client::Value SocketClient::Execute(const Words& words) {
  Send(Encoded(words));
  const client::Value reply = Receive();
  if (reply.is_error()) Close();
  return reply;
}

}  // namespace chorale::bench
