// The broker's data directory: opened and read at the start, closed at the end. Owned by the
// server; any thread once the broker runs.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "broker/config.h"
#include "storage/layers/layer.h"
#include "storage/persistence/journal.h"
#include "storage/store.h"

namespace chorale {

class Persistence {
 public:
  struct Options {
    // Both as in Journal::Options.
    std::function<void()> on_progress;
    bool importing = false;
  };

  // Reads the data directory, if the configuration says so; before anybody uses the store or the
  // layers. A failure's message is one line for the operator.
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
