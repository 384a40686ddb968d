// clients/cpp/reply_parser: replies and pushes out of a byte stream.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/micro/allocations.h"
#include "bench/micro/workload.h"
#include "clients/cpp/reply_parser.h"
#include "protocol/reply_writer.h"

namespace chorale::bench {
namespace {

using client::ReplyParser;

// Parses `stream`, which is `replies` of them, in each iteration.
void ParseReplies(benchmark::State& state, std::string_view stream, int64_t replies = 1) {
  ReplyParser parser;
  {
    const AllocationMeter meter(state, replies);
    for (auto _ : state) {
      for (std::string_view rest = stream; !rest.empty();) {
        if (parser.Parse(rest) != ReplyParser::Result::kReply) {
          return state.SkipWithError("the stream is not made of whole replies");
        }
        benchmark::DoNotOptimize(parser.value().type());
        rest.remove_prefix(parser.reply_size());
      }
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(stream.size()));
}

void ParseOk(benchmark::State& state) {
  std::string stream;
  for (int64_t i = 0; i < state.range(0); ++i) stream += "+OK\r\n";
  ParseReplies(state, stream, state.range(0));
}
BENCHMARK(ParseOk)->Name("client_reply_parser/ok/pipelined")->Arg(1)->Arg(16);

void ParseInteger(benchmark::State& state) { ParseReplies(state, ":1234567\r\n"); }
BENCHMARK(ParseInteger)->Name("client_reply_parser/integer");

void ParseDouble(benchmark::State& state) { ParseReplies(state, ",1767225600.1234567\r\n"); }
BENCHMARK(ParseDouble)->Name("client_reply_parser/double");

void ParseBulk(benchmark::State& state) {
  std::string stream;
  ReplyWriter(&stream, 3).Bulk(std::string(static_cast<size_t>(state.range(0)), 'v'));
  ParseReplies(state, stream);
}
BENCHMARK(ParseBulk)->Name("client_reply_parser/bulk/bytes")->Arg(10)->Arg(1024)->Arg(1'048'576);

void ParseArray(benchmark::State& state) {
  std::string stream;
  ReplyWriter writer(&stream, 3);
  Names names(1000);
  writer.ArrayHeader(static_cast<size_t>(state.range(0)));
  for (int64_t i = 0; i < state.range(0); ++i) writer.Bulk(names.Any());
  ParseReplies(state, stream);
}
BENCHMARK(ParseArray)->Name("client_reply_parser/array/elements")->Arg(10)->Arg(1000);

// What a process gets for each message to a group.
void ParsePush(benchmark::State& state) {
  std::string stream;
  ReplyWriter writer(&stream, 3);
  writer.PushHeader(5);
  writer.Bulk("group-message");
  writer.Integer(int64_t{1} << 51);
  writer.Integer(123'456);
  writer.Bulk("chat.room");
  writer.Bulk(std::string(100, 'm'));
  ParseReplies(state, stream);
}
BENCHMARK(ParsePush)->Name("client_reply_parser/group_message");

}  // namespace
}  // namespace chorale::bench
