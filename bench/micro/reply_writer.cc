// protocol/reply_writer: replies to the end of a string that keeps its capacity, as in the broker.

#include "protocol/reply_writer.h"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>

#include "bench/micro/allocations.h"
#include "bench/micro/workload.h"

namespace chorale::bench {
namespace {

template <typename Write>
void WriteReplies(benchmark::State& state, int version, Write write) {
  std::string out;
  ReplyWriter writer(&out, version);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    out.clear();
    write(writer);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
}

void WriteOk(benchmark::State& state) {
  WriteReplies(state, 2, [](ReplyWriter& reply) { reply.Ok(); });
}
BENCHMARK(WriteOk)->Name("reply_writer/ok");

void WriteInteger(benchmark::State& state) {
  WriteReplies(state, 2, [value = state.range(0)](ReplyWriter& reply) { reply.Integer(value); });
}
BENCHMARK(WriteInteger)->Name("reply_writer/integer")->Arg(1)->Arg(INT64_MIN);

void WriteBulk(benchmark::State& state) {
  const std::string value(static_cast<size_t>(state.range(0)), 'v');
  WriteReplies(state, 2, [&](ReplyWriter& reply) { reply.Bulk(value); });
}
BENCHMARK(WriteBulk)->Name("reply_writer/bulk/bytes")->Arg(3)->Arg(100)->Arg(1024)->Arg(65'536);

// Scores: one that is whole, one with a digit behind the point, one that needs all of them.
void WriteDouble(benchmark::State& state) {
  constexpr double kValues[] = {42, 0.1, 1767225600.1234567};
  const double value = kValues[state.range(1)];
  WriteReplies(state, static_cast<int>(state.range(0)),
               [value](ReplyWriter& reply) { reply.Double(value); });
}
BENCHMARK(WriteDouble)
    ->Name("reply_writer/double")
    ->ArgNames({"resp", "value"})
    ->ArgsProduct({{2, 3}, {0, 1, 2}});

void WriteArray(benchmark::State& state) {
  const int64_t elements = state.range(1);
  Names names(1000);
  WriteReplies(state, static_cast<int>(state.range(0)), [&](ReplyWriter& reply) {
    reply.ArrayHeader(static_cast<size_t>(elements));
    for (int64_t i = 0; i < elements; ++i) reply.Bulk(names.At(42));
  });
}
BENCHMARK(WriteArray)
    ->Name("reply_writer/array")
    ->ArgNames({"resp", "elements"})
    ->ArgsProduct({{2, 3}, {10, 1000}});

// HGETALL's reply.
void WriteMap(benchmark::State& state) {
  Names names(1000);
  WriteReplies(state, static_cast<int>(state.range(0)), [&](ReplyWriter& reply) {
    reply.MapHeader(10);
    for (int i = 0; i < 10; ++i) {
      reply.Bulk(names.At(42));
      reply.BulkInteger(i);
    }
  });
}
BENCHMARK(WriteMap)->Name("reply_writer/map_of_10")->ArgName("resp")->Arg(2)->Arg(3);

void WriteNull(benchmark::State& state) {
  WriteReplies(state, static_cast<int>(state.range(0)), [](ReplyWriter& reply) { reply.Null(); });
}
BENCHMARK(WriteNull)->Name("reply_writer/null")->ArgName("resp")->Arg(2)->Arg(3);

void WriteError(benchmark::State& state) {
  WriteReplies(state, 2, [](ReplyWriter& reply) {
    reply.Error("WRONGTYPE Operation against a key holding the wrong kind of value");
  });
}
BENCHMARK(WriteError)->Name("reply_writer/error");

}  // namespace
}  // namespace chorale::bench
