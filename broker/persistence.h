// The broker's data directory: opened and read at the start, closed at the end. Owned by the
// server; any thread once the broker runs.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "broker/config.h"
#include "storage/layers/layer.h"
#include "storage/persistence/journal.h"
#include "storage/store.h"

namespace chorale {

class Persistence {
 public:
  struct Options {
    std::function<void()> on_progress;                      // Journal::Options'
    std::function<bool()> stopping = [] { return false; };  // RecoveryOptions'
    // How often the log says how far the reading is.
    absl::Duration show_every = absl::Seconds(1);
    bool importing = false;  // Journal::Options'
  };

  // Reads the data directory, if the configuration says so; before anybody uses the store or the
  // layers. A failure's message is one line for the operator; a cancelled status means that it was
  // told to stop.
  [[nodiscard]] absl::Status Open(Config& config, Store& store, LayerRegistry& layers,
                                  Options options);
  // Writes what is left. Nothing changes any more.
  [[nodiscard]] absl::Status Close();

  // nullptr if it is off.
  Journal* journal() { return journal_.get(); }
  const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
  std::unique_ptr<Journal> journal_;
};

}  // namespace chorale
