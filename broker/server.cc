#include "broker/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/generic/stream_protocol.hpp>
#include <chrono>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "absl/synchronization/blocking_counter.h"
#include "broker/clock.h"
#include "broker/command_table.h"
#include "broker/connection.h"
#include "broker/endpoint.h"
#include "broker/io_thread.h"
#include "broker/listener.h"
#include "broker/memory.h"

namespace chorale {
namespace {

using SocketAddress = boost::asio::generic::stream_protocol::endpoint;

std::string RandomHex(size_t digits) {
  std::random_device device;
  std::string text;
  while (text.size() < digits) text += "0123456789abcdef"[device() % 16];
  return text;
}

size_t ThreadCount(const Config& config) {
  const auto wanted = static_cast<size_t>(config.threads.load());
  return wanted != 0 ? wanted : std::max(1u, std::thread::hardware_concurrency());
}

// How often layers drop what has expired, and for how long at a time.
constexpr int64_t kTidyMs = 1000;
constexpr std::chrono::microseconds kTidySlice{500};

// Of one end of a socket, which ::getsockname or ::getpeername tells. Nothing if it is gone.
template <typename GetName>
std::optional<SocketAddress> AddressOf(int descriptor, GetName get_name) {
  SocketAddress address;
  auto size = static_cast<socklen_t>(address.capacity());
  if (get_name(descriptor, address.data(), &size) != 0) return std::nullopt;
  address.resize(size);
  return address;
}

// A refused client is told why, without waiting for it.
void Refuse(int descriptor, std::string_view reply) {
  (void)!::send(descriptor, reply.data(), reply.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::close(descriptor);
}

// After `seconds` of silence the kernel asks the peer three times whether it is still there.
void KeepAlive(int descriptor, int seconds) {
  if (seconds == 0) return;
  const auto set = [descriptor](int level, int option, int value) {
    (void)::setsockopt(descriptor, level, option, &value, sizeof(value));
  };
  constexpr int kProbes = 3;
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, seconds / kProbes));
  set(IPPROTO_TCP, TCP_KEEPCNT, kProbes);
}

constexpr std::string_view kProtectedMode =
    "-DENIED Chorale is running in protected mode: no password is set, so only clients on the "
    "loopback interface or the Unix socket are accepted. Set a password with the requirepass "
    "option, or turn this off with protected-mode no.\r\n";

}  // namespace

Server::Server(Config& config)
    : config_(config),
      store_(std::make_unique<Store>(static_cast<int>(config.databases.load()),
                                     [this] { return script_busy(); })),
      pubsub_(std::make_unique<PubSub>(static_cast<int>(ThreadCount(config)))),
      statistics_(ThreadCount(config), AllRows().size()),
      layers_([this] { return static_cast<size_t>(config_.mailbox_buffer_limit.load()); }),
      started_at_ms_(UnixMillis()),
      run_id_(RandomHex(40)) {
  for (size_t i = 0; i < ThreadCount(config); ++i) {
    threads_.push_back(std::make_unique<IoThread>(*this, static_cast<int>(i)));
  }
  listener_ = std::make_unique<Listener>(
      threads_[0]->loop(), [this](int descriptor, int family) { Accept(descriptor, family); });
}

Server::~Server() {
  listener_.reset();
  for (const auto& thread : threads_) thread->Abandon();
}

const std::vector<std::string>& Server::addresses() const { return listener_->addresses(); }
int Server::port() const { return listener_->port(); }
std::string Server::url() const { return listener_->url(config_.has_password ? ":PASSWORD@" : ""); }

absl::Status Server::Start() {
  Persistence::Options options;
  options.on_progress = [this] { OnDiskProgress(); };
  options.stopping = [this] { return stopping(); };
  absl::Status status = persistence_.Open(config_, *store_, layers_, std::move(options));
  if (!status.ok()) return status;
  status = listener_->Open(config_);
  if (!status.ok()) return CloseAfter(status);
  CalibrateTicks();
  status = listener_->StartAccepting();
  if (!status.ok()) return CloseAfter(status);
  startup_memory_ = UsedMemory();
  used_memory = startup_memory_;
  peak_memory = startup_memory_;
  for (auto& thread : threads_) {
    ScheduleCron(*thread);
    thread->Start();
  }
  return absl::OkStatus();
}

// As if the broker had run and stopped, and before the threads are gone that the journal calls.
absl::Status Server::CloseAfter(const absl::Status& failure) {
  if (const auto closed = persistence_.Close(); !closed.ok()) {
    spdlog::error("not everything is on disk: {}", std::string(closed.message()));
  }
  return failure;
}

void Server::RequestStop() {
  if (!stop_requested_.exchange(true)) stop_.Notify();
}

absl::Status Server::Run() {
  stop_.WaitForNotification();
  threads_[0]->Post([this] { listener_->Close(); });
  StopConnections();
  for (auto& thread : threads_) thread->StopAndJoin();
  return persistence_.Close();
}

bool Server::HoldsForDisk(const Command& command, Client& client) {
  if (!journal()->full() && !disk_late_.load(std::memory_order_relaxed)) return false;
  disk_pause_.Begin(ClientPause::Mode::kWrites);
  // If the disk has caught up meanwhile, nobody else ends it.
  ReleaseWriters();
  return disk_pause_.Holds(command, client);
}

void Server::ReleaseWriters() {
  if (disk_pause_.active() && !journal()->full() && !disk_late_) disk_pause_.End();
}

void Server::ForgetPostponed(const ClientInfo& client) {
  pause_.Forget(client);
  disk_pause_.Forget(client);
}

void Server::Save(Purpose purpose, std::function<void(const absl::Status&)> done) {
  {
    absl::MutexLock lock(&saves_mutex_);
    saves_.push_back({purpose, journal()->Save(), std::move(done)});
  }
  FinishSaves();
}

void Server::FinishSaves() {
  std::vector<AwaitedSave> over;
  {
    absl::MutexLock lock(&saves_mutex_);
    const uint64_t round = journal()->over();
    const auto first =
        std::stable_partition(saves_.begin(), saves_.end(),
                              [round](const AwaitedSave& save) { return save.round > round; });
    std::move(first, saves_.end(), std::back_inserter(over));
    saves_.erase(first, saves_.end());
  }
  for (const AwaitedSave& save : over) {
    save.done(save.round <= journal()->done() ? absl::OkStatus()
                                              : absl::UnavailableError(journal()->failure()));
  }
}

void Server::OnDiskProgress() {
  FinishSaves();
  // Whoever waits gets on with something after each round, however long the rounds take.
  disk_late_ = false;
  ReleaseWriters();
  if (!journal()->always()) return;
  for (const auto& thread : threads_) {
    thread->Post([thread = thread.get()] { thread->ReleaseHeld(); });
  }
}

// Asks every connection to finish and waits until they have, or until the grace time is over: then
// the rest is closed as it stands.
void Server::StopConnections() {
  for (const bool at_once : {false, true}) {
    absl::BlockingCounter visited(static_cast<int>(threads_.size()));
    for (auto& thread : threads_) {
      thread->Post([&visited, thread = thread.get(), at_once] {
        for (const auto& connection : thread->Connections()) {
          if (at_once) {
            connection->Close();
          } else {
            connection->Finish();
          }
        }
        visited.DecrementCount();
      });
    }
    visited.Wait();
    const auto deadline = std::chrono::steady_clock::now() +
                          std::chrono::seconds(config_.shutdown_timeout_seconds.load());
    while (clients_.size() > 0 && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

// ---- accepting ----

void Server::Accept(int descriptor, int family) {
  if (clients_.size() >= static_cast<size_t>(config_.maxclients.load())) {
    statistics_.thread(0).rejected_connections.Add();
    Refuse(descriptor, "-ERR max number of clients reached\r\n");
    return;
  }
  const auto least_loaded = std::min_element(
      threads_.begin(), threads_.end(),
      [](const auto& a, const auto& b) { return a->connections.load() < b->connections.load(); });
  IoThread* thread = least_loaded->get();
  ++thread->connections;
  if (thread == IoThread::Current()) {
    Adopt(*thread, descriptor, family);
  } else {
    thread->Post([this, thread, descriptor, family] { Adopt(*thread, descriptor, family); });
  }
}

void Server::Adopt(IoThread& thread, int descriptor, int family) {
  // The connection counts itself; until here the listener counted it.
  --thread.connections;
  if (stopping()) {
    ::close(descriptor);
    return;
  }
  const auto peer = AddressOf(descriptor, ::getpeername);
  if (!peer) {  // it is gone already
    ::close(descriptor);
    return;
  }
  if (config_.protected_mode && !config_.has_password && !IsLoopback(*peer)) {
    statistics_.thread(thread.index()).rejected_connections.Add();
    Refuse(descriptor, kProtectedMode);
    return;
  }
  const bool unix_socket = family == AF_UNIX;
  std::string local;
  if (!unix_socket) {
    if (const auto address = AddressOf(descriptor, ::getsockname)) local = Describe(*address);
    const int on = 1;
    (void)::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    KeepAlive(descriptor, static_cast<int>(config_.tcp_keepalive_seconds.load()));
  }
  auto connection = std::make_shared<Connection>(thread, descriptor);
  ClientInfo& info = *connection->client().info;
  info.id = clients_.NextId();
  info.descriptor = descriptor;
  info.address = unix_socket ? config_.unixsocket.get() + ":0" : Describe(*peer);
  info.local_address = unix_socket ? info.address : local;
  info.connected_at_ms = UnixMillis();
  info.last_interaction_ms = info.connected_at_ms;
  info.thread = &thread;
  info.connection = connection;
  info.unix_socket = unix_socket;
  clients_.Add(connection->client().info);
  statistics_.thread(thread.index()).connections.Add();
  spdlog::debug("accepted client {} from {}", info.id, info.address);
  connection->Start();
}

void Server::ResetStatistics(std::function<void()> done) {
  statistics_.ResetErrors();
  threads_[0]->Post([this] {
    threads_[0]->WithKeys(Store::kAllShards, [](LockedKeys& keys) { keys.ResetCounters(); });
  });
  // The last task to let go of it is the last one that ran.
  const std::shared_ptr<void> last(nullptr, [done = std::move(done)](void*) { done(); });
  for (auto& thread : threads_) {
    thread->Post([this, index = thread->index(), last] { statistics_.thread(index).Reset(); });
  }
}

// ---- cron ----

void Server::ScheduleCron(IoThread& thread) {
  const auto period = std::chrono::milliseconds(1000 / config_.hz.load());
  thread.StartTimer(period, [this, &thread] {
    Cron(thread);
    ScheduleCron(thread);
  });
}

// Each thread looks after its own connections and its share of the shards.
void Server::Cron(IoThread& thread) {
  const int64_t now_ms = UnixMillis();
  const auto step = static_cast<int>(threads_.size());
  for (int shard = thread.index(); shard < Store::kShardCount && active_expiry; shard += step) {
    store_->ExpireSome(shard, now_ms);
  }
  thread.TickConnections(now_ms);
  if (thread.index() == 0) CronOnce(now_ms);
}

void Server::CronOnce(int64_t now_ms) {
  CalibrateTicks();
  store_->ServeUnserved(now_ms);
  if (journal() != nullptr) {
    disk_late_ = journal()->late();
    // What waited for the disk may have gone without a round.
    ReleaseWriters();
  }
  if (now_ms >= next_tidy_ms_ && tidying_.done()) {
    next_tidy_ms_ = now_ms + kTidyMs;
    tidying_.Begin();
    TidyLayers();
  }
  statistics_.commands.Sample(statistics_.Sum(&ThreadStatistics::commands), now_ms);
  statistics_.input_bytes.Sample(statistics_.Sum(&ThreadStatistics::input_bytes), now_ms);
  statistics_.output_bytes.Sample(statistics_.Sum(&ThreadStatistics::output_bytes), now_ms);
  used_memory = UsedMemory();
  peak_memory = std::max(peak_memory.load(), used_memory.load());
}

void Server::TidyLayers() {
  const int64_t now_ms = UnixMillis();
  const auto until = std::chrono::steady_clock::now() + kTidySlice;
  while (tidying_.Step(now_ms)) {
    if (std::chrono::steady_clock::now() < until) continue;
    return threads_.front()->Post([this] { TidyLayers(); });
  }
}

}  // namespace chorale
