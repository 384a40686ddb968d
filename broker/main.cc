// chorale-server: reads the options, starts the broker, stops it on SIGTERM and SIGINT.

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "broker/config.h"
#include "broker/descriptor_limit.h"
#include "broker/log.h"
#include "broker/offline_tools.h"
#include "broker/server.h"
#include "broker/supervision.h"

namespace {

using chorale::Config;
using chorale::Server;

constexpr const char* kUsage =
    "usage: chorale-server [configuration-file] [--option value ...]\n"
    "       chorale-server --check DIR\n"
    "       chorale-server --repair DIR   drops what lies behind damage in the log of DIR\n"
    "       chorale-server --import DUMP.RDB --dir DIR [--option value ...]\n"
    "  --port 6379  --bind 127.0.0.1  --unixsocket PATH  --threads N  --requirepass PASSWORD\n"
    "  --dir DIR  --persistence off|everysec|always|no-sync\n"
    "Options are named as in redis.conf; README.md lists them.\n";

int Fail(const std::string& why) {
  fmt::print(stderr, "chorale-server: {}\n", why);
  return 1;
}

int Done(const absl::Status& status) {
  return status.ok() ? 0 : Fail(std::string(status.message()));
}

// The options behind the file to import are those of the broker.
int Import(int argc, char** argv) {
  const std::string file = argv[2];
  argv[2] = argv[0];
  Config config;
  auto status = config.ParseCommandLine(argc - 2, argv + 2);
  if (status.ok()) {
    chorale::OpenLog(config.logfile.get());
    chorale::SetLogLevel(config.loglevel);
    status = chorale::ImportDump(file, config);
  }
  return Done(status);
}

void FitClientsToDescriptors(Config& config) {
  const int64_t possible = chorale::RaiseDescriptorLimit(config.maxclients);
  if (possible >= config.maxclients) return;
  config.maxclients = possible;
  spdlog::warn("maxclients lowered to {}: the limit on open files allows no more", possible);
}

void PrintBanner(Server& server) {
  fmt::print("Chorale {} listens on {}\n", CHORALE_VERSION, fmt::join(server.addresses(), ", "));
  fmt::print("  threads: {}   data: {}\n", server.threads().size(),
             server.journal() == nullptr ? "in memory only, gone when the broker stops"
                                         : "in " + server.data_directory());
  fmt::print(
      "  Django: CHANNEL_LAYERS = {{\"default\": {{\"BACKEND\": "
      "\"channels_redis.core.RedisChannelLayer\", \"CONFIG\": {{\"hosts\": [\"{}\"]}}}}}}\n",
      server.url());
  std::fflush(stdout);
}

// Signals are blocked in every thread and waited for in this one, from before the start, which may
// take long, to the end.
class SignalThread {
 public:
  SignalThread(Server& server, const sigset_t& signals)
      : thread_([&server, signals] { Wait(server, signals); }) {}
  ~SignalThread() {
    ::pthread_kill(thread_.native_handle(), SIGUSR1);
    thread_.join();
  }
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

 private:
  static void Wait(Server& server, const sigset_t& signals) {
    int signal = 0;
    while (::sigwait(&signals, &signal) == 0) {
      if (signal == SIGUSR1) return;
      spdlog::info("received {}, stopping", signal == SIGTERM ? "SIGTERM" : "SIGINT");
      server.RequestStop();
    }
  }

  std::thread thread_;
};

// Runs the broker until it is told to stop.
int Serve(Config& config, const sigset_t& signals) {
  Server server(config);
  const SignalThread signal_thread(server, signals);
  const auto started = server.Start();
  if (absl::IsCancelled(started)) {
    spdlog::info("stopped before everything was read");
    return 0;
  }
  if (!started.ok()) return Fail(std::string(started.message()));
  PrintBanner(server);
  if (config.supervised != 0) chorale::TellSupervisor("READY=1");
  if (const auto status = server.Run(); !status.ok()) {
    return Fail(fmt::format("not everything is on disk: {}", std::string(status.message())));
  }
  spdlog::info("stopped");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
#ifdef NDEBUG
  // Debian builds Abseil with its check for lock cycles, which costs more than the locks.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  if (argc == 2 &&
      (std::string_view(argv[1]) == "--version" || std::string_view(argv[1]) == "-v")) {
    fmt::print("chorale-server {}\n", CHORALE_VERSION);
    return 0;
  }
  if (argc == 2 && (std::string_view(argv[1]) == "--help" || std::string_view(argv[1]) == "-h")) {
    fmt::print("{}", kUsage);
    return 0;
  }
  if (argc == 3 && std::string_view(argv[1]) == "--check") {
    return Done(chorale::CheckDirectory(argv[2]));
  }
  if (argc == 3 && std::string_view(argv[1]) == "--repair") {
    return Done(chorale::RepairDirectory(argv[2]));
  }
  if (argc >= 3 && std::string_view(argv[1]) == "--import") return Import(argc, argv);
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) ::sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a write beyond the limit fails, and is reported

  try {
    Config config;
    if (const auto status = config.ParseCommandLine(argc, argv); !status.ok()) {
      return Fail(std::string(status.message()));
    }
    chorale::OpenLog(config.logfile.get());
    chorale::SetLogLevel(config.loglevel);
    FitClientsToDescriptors(config);
    return Serve(config, signals);
  } catch (const std::exception& error) {
    return Fail(error.what());
  }
}
