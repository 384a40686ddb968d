// Reads the rows of layers, channels and mailboxes: makes sense of names and contents, and puts
// together what belongs to one queue or one mailbox. The start of a broker and --check read with
// it, so that neither accepts what the other refuses. Used by one thread.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "storage/layers/channel_queue.h"
#include "storage/layers/mailbox.h"
#include "storage/layers/policy.h"
#include "storage/persistence/data_directory.h"
#include "storage/persistence/rows.h"
#include "storage/string_map.h"

namespace chorale {

// A mailbox as it is on disk.
struct StoredMailbox {
  std::string layer, name;
  MailboxState state;
  std::vector<Mailbox::RestoredMember> members;
  std::vector<MailboxEvent> events;
};

// Who gets what the rows hold. Views are valid during the call.
class LayerRowsSink {
 public:
  virtual ~LayerRowsSink() = default;
  virtual void TakePolicy(std::string_view layer, LayerPolicy policy) = 0;
  // Of a general channel.
  virtual void TakeMember(const LayerRowName& member, int64_t expires_at_ms) = 0;
  // Not empty; CountIn was not called.
  virtual void TakeQueue(std::string_view key, std::unique_ptr<ChannelQueue> queue) = 0;
  virtual void TakeMailbox(StoredMailbox mailbox) = 0;
};

class LayerRows {
 public:
  explicit LayerRows(LayerRowsSink& sink) : sink_(sink) {}

  // The next row of one of the three families, in the order of their names. False if it makes no
  // sense, or what comes before it.
  [[nodiscard]] bool Read(Family family, std::string_view name, std::string_view content);
  // After the last row of a family. False if something of what was read is missing.
  [[nodiscard]] bool Finish() { return FinishQueue() && FinishMailbox(); }

  size_t layers() const { return layers_.size(); }

 private:
  bool ReadLayer(std::string_view name, std::string_view content);
  bool ReadMessage(std::string_view name, std::string_view content);
  bool ReadMailbox(std::string_view name, std::string_view content);
  bool FinishQueue();
  bool FinishMailbox();
  // False if there are more layers than a broker can have.
  bool NoteLayer(std::string_view layer);

  LayerRowsSink& sink_;
  StringSet layers_;
  std::string queue_key_;
  std::unique_ptr<ChannelQueue> queue_;   // the one being read
  std::optional<StoredMailbox> mailbox_;  // the same, without its state
  std::optional<MailboxState> state_;
};

// All three families of a directory. `on_row` is called with each row's bytes; false ends the
// reading, with some error.
[[nodiscard]] absl::Status ReadLayerRows(DataDirectory& directory, LayerRows& rows,
                                         absl::FunctionRef<bool(size_t bytes)> on_row);

}  // namespace chorale
