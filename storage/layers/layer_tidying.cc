#include "storage/layers/layer_tidying.h"

namespace chorale {

void LayerTidying::Begin() { names_ = registry_.Names(); }

bool LayerTidying::Step(int64_t now_ms) {
  if (layer_ == nullptr) {
    if (names_.empty()) return false;
    layer_ = registry_.Find(names_.back());
    names_.pop_back();
    part_ = 0;
    if (layer_ == nullptr) return true;
  }
  layer_->Tidy(part_, now_ms);
  if (++part_ < Layer::kParts) return true;
  const bool empty = layer_->empty();
  const std::string name = layer_->name();
  layer_.reset();  // to be forgotten it may have no user
  if (empty) registry_.Forget(name);
  return true;
}

}  // namespace chorale
