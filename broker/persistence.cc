#include "broker/persistence.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "broker/clock.h"
#include "storage/persistence/data_directory.h"
#include "storage/persistence/recovery.h"

namespace chorale {
namespace {

constexpr double kMegabyte = 1 << 20;

// Says how far the reading is, and how long it will still take at the speed until now.
class ProgressLog {
 public:
  void operator()(const RecoveryProgress& progress) const {
    const double seconds = static_cast<double>(MonotonicNanos() - began_ns_) / 1e9;
    const auto rows = static_cast<double>(progress.rows);
    const auto total = std::max(static_cast<double>(progress.total_rows), rows);
    spdlog::info("reading data: {} keys, {} rows of about {}, {:.1f} MB, about {:.0f} seconds left",
                 progress.keys, progress.rows, progress.total_rows,
                 static_cast<double>(progress.bytes) / kMegabyte,
                 rows > 0 ? seconds * (total - rows) / rows : 0);
  }

 private:
  const int64_t began_ns_ = MonotonicNanos();
};

}  // namespace

absl::Status Persistence::Open(Config& config, Store& store, LayerRegistry& layers,
                               Options options) {
  if (!config.persistent) return absl::OkStatus();
  directory_ = config.dir.get();
  const auto sync = static_cast<Journal::Sync>(config.append_sync.load());
  auto opened =
      DataDirectory::Open(directory_, DataDirectory::Mode::kReadWrite, nullptr,
                          sync == Journal::Sync::kAlways ? DataDirectory::Batches::kSmall
                                                         : DataDirectory::Batches::kLarge);
  if (!opened.ok()) return opened.status();
  DataDirectory& directory = **opened;
  g_persistent = true;
  journal_ = std::make_unique<Journal>(
      std::move(*opened), store,
      Journal::Options{sync, [&config] { return config.persistence_buffer_limit.load(); },
                       std::move(options.on_progress), options.importing});
  store.set_journal(journal_.get());
  layers.set_unsaved(&journal_->unsaved_layers());
  const int64_t began_ns = MonotonicNanos();
  RecoveryOptions recovery;
  recovery.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  recovery.now_ms = UnixMillis();
  recovery.show_every = options.show_every;
  recovery.show = ProgressLog();
  recovery.stopping = std::move(options.stopping);
  auto recovered = Recover(directory, store, layers, journal_.get(), recovery);
  if (!recovered.ok()) return recovered.status();
  spdlog::info(
      "read {} keys ({} had expired), {} layers, {} mailboxes and {} messages, {:.1f} MB, from {} "
      "in {:.3f} seconds",
      recovered->keys, recovered->expired, recovered->layers, recovered->mailboxes,
      recovered->messages, static_cast<double>(recovered->bytes) / kMegabyte, directory_,
      static_cast<double>(MonotonicNanos() - began_ns) / 1e9);
  if (recovered->orphans > 0) {
    spdlog::warn("dropping what is left of {} large values that no key has", recovered->orphans);
  }
  if (!recovered->clean) {
    spdlog::warn("the broker that wrote it was not stopped in order");
  }
  return journal_->Start(layers, std::move(recovered->spaces), recovered->next_space,
                         recovered->next_number);
}

absl::Status Persistence::Close() {
  return journal_ == nullptr ? absl::OkStatus() : journal_->Stop();
}

}  // namespace chorale
