#include "storage/persistence/layer_recovery.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "storage/layers/channel_queue.h"
#include "storage/layers/names.h"
#include "storage/locked_keys.h"
#include "storage/persistence/layer_rows.h"

namespace chorale {
namespace {

class LayerRestorer final : public LayerRowsSink {
 public:
  LayerRestorer(Store& store, LayerRegistry& layers, int64_t now_ms, bool exact,
                Recovered& recovered)
      : store_(store), layers_(layers), now_ms_(now_ms), exact_(exact), recovered_(recovered) {}

  void TakePolicy(std::string_view layer, LayerPolicy policy) override {
    Get(layer)->RestorePolicy(std::move(policy));
  }
  void TakeMember(const LayerRowName& member, int64_t expires_at_ms) override {
    Get(member.layer)->groups().Restore(std::string(member.group), member.channel, expires_at_ms);
  }
  void TakeQueue(std::string_view key, std::unique_ptr<ChannelQueue> queue) override {
    ++recovered_.channels;
    recovered_.messages += queue->size();
    queue->CountIn(Get(LayerOfQueue(key))->shared_counters());
    const int64_t expires_at_ms = queue->expires_at_ms();
    LockedKeys keys(store_, now_ms_);
    keys.Lock(Store::MaskOf(key));
    keys.Restore(store_.layers_db(), Entry::NewObject(key, std::move(queue)), expires_at_ms);
  }
  void TakeMailbox(StoredMailbox mailbox) override {
    ++recovered_.mailboxes;
    for (const MailboxEvent& event : mailbox.events) {
      recovered_.messages += IsMessage(event) ? 1 : 0;
    }
    Get(mailbox.layer)
        ->MailboxFor(mailbox.name, now_ms_)
        ->Restore(std::move(mailbox.state), mailbox.members, std::move(mailbox.events), exact_);
  }

 private:
  // There is one: LayerRows refuses more layers than a registry takes, which is empty at first.
  std::shared_ptr<Layer> Get(std::string_view layer) { return layers_.Get(layer); }

  Store& store_;
  LayerRegistry& layers_;
  const int64_t now_ms_;
  const bool exact_;
  Recovered& recovered_;
};

}  // namespace

absl::Status RestoreLayers(DataDirectory& directory, Store& store, LayerRegistry& layers,
                           int64_t now_ms, bool exact, absl::FunctionRef<bool(size_t bytes)> on_row,
                           Recovered& recovered) {
  LayerRestorer restorer(store, layers, now_ms, exact, recovered);
  LayerRows rows(restorer);
  const auto status = ReadLayerRows(directory, rows, on_row);
  recovered.layers = rows.layers();
  return status;
}

}  // namespace chorale
