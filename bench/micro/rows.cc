// storage/persistence: the names and contents of rows, written and read.

#include "storage/persistence/rows.h"

#include <benchmark/benchmark.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "bench/micro/allocations.h"
#include "bench/micro/workload.h"
#include "storage/persistence/layer_records.h"

namespace chorale::bench {
namespace {

constexpr std::string_view kDamaged = "a row that was written makes no sense";

std::string StringRow() {
  std::string content;
  AppendKeyHeader({ValueType::kString, kNow, std::nullopt, {}}, &content);
  return content + "some value";
}

std::string PackedHash(size_t fields) {
  std::string content;
  Names names(fields);
  AppendVarint(&content, fields);
  for (size_t i = 0; i < fields; ++i) {
    AppendElement(&content, names.At(i));
    AppendElement(&content, "some value");
  }
  return content;
}

void WriteStringRow(benchmark::State& state) {
  Names names(1000);
  std::string name, content;
  const AllocationMeter meter(state);
  for (auto _ : state) {
    NameKeyRow(0, names.Any(), &name);
    content.clear();
    AppendKeyHeader({ValueType::kString, kNow, std::nullopt, {}}, &content);
    content += "some value";
    benchmark::DoNotOptimize(content.data());
  }
}
BENCHMARK(WriteStringRow)->Name("rows/string/write");

void ReadStringRow(benchmark::State& state) {
  std::string name;
  NameKeyRow(0, "name:0000042", &name);
  const std::string content = StringRow();
  const AllocationMeter meter(state);
  for (auto _ : state) {
    if (!ReadKeyName(name) || !ReadKeyRow(content)) return state.SkipWithError(kDamaged.data());
  }
}
BENCHMARK(ReadStringRow)->Name("rows/string/read");

void WritePackedHash(benchmark::State& state) {
  const AllocationMeter meter(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(PackedHash(static_cast<size_t>(state.range(0))).data());
  }
}
BENCHMARK(WritePackedHash)->Name("rows/packed_hash/write/fields")->Arg(8)->Arg(100);

void ReadPackedHash(benchmark::State& state) {
  const std::string content = PackedHash(static_cast<size_t>(state.range(0)));
  const AllocationMeter meter(state);
  for (auto _ : state) {
    const bool read = ReadElements(ValueType::kHash, content, [](const Element& element) {
      benchmark::DoNotOptimize(element.value.data());
    });
    if (!read) return state.SkipWithError(kDamaged.data());
  }
}
BENCHMARK(ReadPackedHash)->Name("rows/packed_hash/read/fields")->Arg(8)->Arg(100);

void WriteMessage(benchmark::State& state) {
  const std::string message(100, 'm');
  std::string content;
  const AllocationMeter meter(state);
  for (auto _ : state) EncodeMessage(message, kNow, &content);
}
BENCHMARK(WriteMessage)->Name("rows/message/write");

void ReadMessage(benchmark::State& state) {
  std::string content;
  EncodeMessage(std::string(100, 'm'), kNow, &content);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    if (!DecodeMessage(content)) return state.SkipWithError(kDamaged.data());
  }
}
BENCHMARK(ReadMessage)->Name("rows/message/read");

MailboxEvent GroupMessage() {
  return {.kind = MailboxEvent::Kind::kGroupMessage,
          .number = 42,
          .name = "chat.room",
          .message = std::make_shared<const std::string>(100, 'm'),
          .channels = {},
          .expires_at_ms = kNow};
}

void WriteEvent(benchmark::State& state) {
  const MailboxEvent event = GroupMessage();
  std::string content;
  const AllocationMeter meter(state);
  for (auto _ : state) EncodeEvent(event, &content);
}
BENCHMARK(WriteEvent)->Name("rows/event/write");

void ReadEvent(benchmark::State& state) {
  std::string content;
  EncodeEvent(GroupMessage(), &content);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    if (!DecodeEvent(42, content)) return state.SkipWithError(kDamaged.data());
  }
}
BENCHMARK(ReadEvent)->Name("rows/event/read");

}  // namespace
}  // namespace chorale::bench
