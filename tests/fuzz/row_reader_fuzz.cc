// Reads bytes as the rows of a data directory: a byte for the family, the lengths of name and
// content, and these. Rows of layers, channels and mailboxes come in the order in which a directory
// gives them; what is accepted is written again and means the same.
//
//   build/clang/bin/row_reader_fuzz -max_total_time=60 build/fuzz-corpus
//   tests/fuzz/corpus/row_reader

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/layers/names.h"
#include "storage/persistence/layer_records.h"
#include "storage/persistence/layer_rows.h"
#include "storage/persistence/rows.h"

namespace chorale {
namespace {

void Check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "the reader broke a promise: %s\n", what);
  std::abort();
}

// Writes what it is given as rows, as a round does.
class Writer final : public LayerRowsSink {
 public:
  using Rows = std::map<std::pair<Family, std::string>, std::string>;

  void TakePolicy(std::string_view layer, LayerPolicy policy) override {
    EncodePolicy(policy, &rows[{Family::kLayers, PolicyRow(layer)}]);
  }
  void TakeMember(const LayerRowName& member, int64_t expires_at_ms) override {
    PutExpiry(Family::kLayers, GroupMemberRow(member.layer, member.group, member.channel),
              expires_at_ms);
  }
  void TakeQueue(std::string_view key, std::unique_ptr<ChannelQueue> queue) override {
    Check(queue->size() > 0, "a queue has messages");
    Check(IsLayerName(LayerOfQueue(key)) && IsChannelName(ChannelOfQueue(key)), "names of queues");
    Check(queue->disk_end() - queue->disk_begin() == queue->size(), "messages have numbers");
    queue->CountIn(std::make_shared<LayerCounters>());
    std::string name;
    const int64_t expires_at_ms = queue->expires_at_ms();
    for (uint64_t number = queue->disk_begin(); queue->size() > 0; ++number) {
      NameMessageRow(key, number, &name);
      EncodeMessage(queue->Pop(), expires_at_ms, &rows[{Family::kChannels, name}]);
    }
  }
  void TakeMailbox(StoredMailbox mailbox) override {
    const std::string prefix = MailboxPrefix(mailbox.layer, mailbox.name);
    EncodeMailbox(mailbox.state, &rows[{Family::kMailboxes, prefix + "s"}]);
    for (const auto& member : mailbox.members) {
      PutExpiry(Family::kMailboxes, prefix + "m" + member.group + '\0' + member.channel,
                member.expires_at_ms);
    }
    uint64_t before = mailbox.state.acknowledged;
    for (const MailboxEvent& event : mailbox.events) {
      Check(event.number > before && event.number <= mailbox.state.last, "numbers ascend");
      Check(IsMessage(event) == (event.message != nullptr), "messages have contents");
      before = event.number;
      std::string name = prefix + "e";
      AppendBig64(&name, event.number);
      EncodeEvent(event, &rows[{Family::kMailboxes, name}]);
    }
  }

  Rows rows;

 private:
  void PutExpiry(Family family, std::string name, int64_t expires_at_ms) {
    AppendLittle64(&rows[{family, std::move(name)}], static_cast<uint64_t>(expires_at_ms));
  }
};

bool IsOfLayers(Family family) {
  return family == Family::kLayers || family == Family::kChannels || family == Family::kMailboxes;
}

// Whether all make sense; what they are is in the writer then.
bool ReadLayers(const Writer::Rows& rows, Writer* writer) {
  LayerRows reader(*writer);
  Family family = Family::kDefault;
  for (const auto& [name, content] : rows) {
    if (name.first != family && !reader.Finish()) return false;
    family = name.first;
    if (!reader.Read(family, name.second, content)) return false;
  }
  return reader.Finish();
}

void VisitKey(std::string_view name, std::string_view content) {
  if (const auto key = ReadKeyName(name)) {
    std::string again;
    NameKeyRow(key->space, key->key, &again);
    Check(again == name, "the name of a key means nothing else");
  }
  const auto row = ReadKeyRow(content);
  if (!row) return;
  std::string again;
  AppendKeyHeader(*row, &again);
  Check(again.append(row->value) == content, "the row of a key means nothing else");
  if (row->parts || row->type == ValueType::kString) return;
  size_t elements = 0, bytes = 0;
  const bool whole = ReadElements(row->type, row->value, [&](const Element& element) {
    ++elements;
    bytes += element.name.size() + element.value.size();
    Check(element.score == element.score, "a score is a number");
  });
  Check(elements + bytes <= content.size(), "elements come out of the row");
  Check(!whole || elements > 0, "a value is not empty");
}

void VisitPart(ValueType type, std::string_view name, std::string_view content) {
  const auto part = ReadPartName(type, name);
  if (!part) return;
  std::string again;
  if (type == ValueType::kList) {
    NameBlockRow(part->id, part->order, &again);
    size_t elements = 0;
    (void)ReadElements(type, content, [&](const Element&) { ++elements; });
    Check(elements <= content.size(), "elements come out of the block");
  } else {
    NamePartRow(part->id, part->part, &again);
    const auto element = ReadPart(type, part->part, content);
    Check(!element || element->name == part->part, "a part has its name");
  }
  Check(again == name, "the name of a part means nothing else");
}

void Visit(std::string_view bytes) {
  Writer::Rows rows;
  ContentReader reader(bytes);
  while (reader.ok()) {
    const auto family = static_cast<Family>(reader.Byte() % kFamilyNames.size());
    const std::string_view name = reader.Element();
    const std::string_view content = reader.Element();
    if (!reader.ok()) break;
    if (IsOfLayers(family)) {
      rows[{family, std::string(name)}] = content;
    } else if (family == Family::kKeys) {
      VisitKey(name, content);
    }
    for (const ValueType type :
         {ValueType::kList, ValueType::kHash, ValueType::kSet, ValueType::kSortedSet}) {
      if (family == FamilyOfParts(type)) VisitPart(type, name, content);
    }
  }
  Writer read, again;
  if (!ReadLayers(rows, &read)) return;
  Check(read.rows.size() == rows.size(), "nothing is left out");
  for (const auto& [name, content] : read.rows) Check(rows.contains(name), "names stay");
  Check(ReadLayers(read.rows, &again), "what was read can be written and read");
  Check(again.rows.size() == read.rows.size(), "and is as much");
  for (const auto& [name, content] : read.rows) {
    const auto found = again.rows.find(name);
    Check(found != again.rows.end(), "and has the same names");
    // The channels that a mailbox's state counts have no order.
    const bool state = name.first == Family::kMailboxes && name.second.ends_with('s');
    Check(state ? found->second.size() == content.size() : found->second == content,
          "and means the same");
  }
}

}  // namespace
}  // namespace chorale

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  chorale::Visit({reinterpret_cast<const char*>(data), size});
  return 0;
}
