// protocol/resp_parser and protocol/command_batch: commands out of a byte stream.

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "bench/micro/allocations.h"
#include "bench/micro/wire.h"
#include "bench/micro/workload.h"
#include "protocol/command_batch.h"
#include "protocol/resp_parser.h"

namespace chorale::bench {
namespace {

using Result = RespParser::Result;

// Parses all of `stream`, which holds `commands` of them, in each iteration.
void ParseAll(benchmark::State& state, std::string_view stream, int64_t commands) {
  RespParser parser;
  const ParserLimits limits;
  {
    const AllocationMeter meter(state, commands);
    for (auto _ : state) {
      for (std::string_view rest = stream; !rest.empty();) {
        if (parser.Parse(rest, limits) != Result::kCommand) {
          return state.SkipWithError("the stream is not made of whole commands");
        }
        benchmark::DoNotOptimize(parser.arguments().data());
        rest.remove_prefix(parser.command_size());
      }
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(stream.size()));
}

std::string Repeated(std::string_view command, int64_t times) {
  std::string stream;
  for (int64_t i = 0; i < times; ++i) stream += command;
  return stream;
}

void ParseSet(benchmark::State& state) {
  ParseAll(state, Repeated(Encoded({"SET", "name:0000042", "some value"}), state.range(0)),
           state.range(0));
}
BENCHMARK(ParseSet)->Name("request_parser/set/pipelined")->Arg(1)->Arg(16)->Arg(64);

void ParseManyArguments(benchmark::State& state) {
  Words words = {"DEL"};
  Names names(1000);
  for (int64_t i = 0; i < state.range(0); ++i) words.emplace_back(names.At(static_cast<size_t>(i)));
  ParseAll(state, Encoded(words), 1);
}
BENCHMARK(ParseManyArguments)->Name("request_parser/del/keys")->Arg(10)->Arg(1000);

void ParseInline(benchmark::State& state) { ParseAll(state, "GET name:0000042\r\n", 1); }
BENCHMARK(ParseInline)->Name("request_parser/inline");

void ParseInlineQuoted(benchmark::State& state) {
  ParseAll(state, "SET name:0000042 \"some \\x41 value\"\r\n", 1);
}
BENCHMARK(ParseInlineQuoted)->Name("request_parser/inline_quoted");

void ParseBulk(benchmark::State& state) {
  const std::string value(static_cast<size_t>(state.range(0)), 'v');
  ParseAll(state, Encoded({"SET", "name:0000042", value}), 1);
}
BENCHMARK(ParseBulk)->Name("request_parser/bulk/bytes")->Arg(100)->Arg(65'536)->Arg(1'048'576);

// The same, arriving in pieces of the size that a read brings.
void ParseBulkInPieces(benchmark::State& state) {
  constexpr size_t kPiece = 16 << 10;
  const std::string value(static_cast<size_t>(state.range(0)), 'v');
  const std::string stream = Encoded({"SET", "name:0000042", value});
  RespParser parser;
  const ParserLimits limits;
  const AllocationMeter meter(state);
  for (auto _ : state) {
    Result result = Result::kNeedMore;
    for (size_t size = kPiece; result == Result::kNeedMore; size += kPiece) {
      result = parser.Parse(std::string_view(stream).substr(0, size), limits);
    }
    if (result != Result::kCommand) return state.SkipWithError("not a whole command");
  }
}
BENCHMARK(ParseBulkInPieces)
    ->Name("request_parser/bulk_in_pieces/bytes")
    ->Arg(65'536)
    ->Arg(1'048'576);

// What reads a pipelined stream in the broker.
void ReadBatch(benchmark::State& state) {
  const int64_t commands = state.range(0);
  const std::string stream = Repeated(Encoded({"SET", "name:0000042", "some value"}), commands);
  CommandBatch batch;
  const AllocationMeter meter(state, commands);
  for (auto _ : state) {
    batch.Read(stream);
    if (batch.size() != static_cast<size_t>(commands)) {
      return state.SkipWithError("the batch is not the stream");
    }
  }
}
BENCHMARK(ReadBatch)->Name("command_batch/set/pipelined")->Arg(1)->Arg(16);

}  // namespace
}  // namespace chorale::bench
