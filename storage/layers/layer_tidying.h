// Drops what has expired in all layers, a little at a time, so that the thread which does it serves
// its clients in between however many layers, mailboxes and groups there are. One thread's.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/layers/layer.h"

namespace chorale {

class LayerTidying {
 public:
  explicit LayerTidying(LayerRegistry& registry) : registry_(registry) {}

  // Begins a round over all layers. The last one is done.
  void Begin();
  // A part of one layer. False if the round is done.
  bool Step(int64_t now_ms);
  bool done() const { return layer_ == nullptr && names_.empty(); }

 private:
  LayerRegistry& registry_;
  std::vector<std::string> names_;  // of the layers whose turn has not come yet
  std::shared_ptr<Layer> layer_;    // whose turn it is
  size_t part_ = 0;                 // of it, the next
};

}  // namespace chorale
