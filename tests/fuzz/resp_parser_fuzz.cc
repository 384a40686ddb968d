// Feeds a byte stream to the RESP parser whole and in pieces. Both must read the same commands and
// end in the same error, and a batch must begin with those commands; the address sanitizer watches
// every view handed out.
//
//   build/clang/bin/resp_parser_fuzz -max_total_time=60 build/fuzz-corpus
//   tests/fuzz/corpus/resp_parser

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/command_batch.h"
#include "protocol/resp_parser.h"
#include "tests/unit/protocol/parse_stream.h"

namespace chorale {
namespace {

// The pieces are drawn from the stream itself, so that a corpus file is a plain stream and a
// finding repeats.
std::vector<size_t> PieceSizes(std::string_view stream) {
  uint64_t state = 1469598103934665603u;
  for (const char c : stream) state = (state ^ static_cast<unsigned char>(c)) * 1099511628211u;
  std::vector<size_t> sizes;
  for (int i = 0; i < 7; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const size_t bound = i % 2 == 0 ? 4 : 64;
    sizes.push_back(1 + static_cast<size_t>(state >> 33) % bound);
  }
  return sizes;
}

void Check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "the parser broke a promise: %s\n", what);
  std::abort();
}

void ExpectSameHoweverCut(std::string_view stream, const ParserLimits& limits) {
  const ParsedStream whole = ParseWhole(stream, limits);
  Check(whole.consumed <= stream.size(), "no more bytes are consumed than came");
  for (const auto& command : whole.commands) {
    Check(static_cast<int64_t>(command.size()) <=
              std::max(limits.max_arguments, limits.max_inline_length),
          "arguments stay within the limit");
  }
  Check(ParseInPieces(stream, PieceSizes(stream), limits) == whole, "pieces change nothing");
  if (stream.size() <= 512) {
    Check(ParseInPieces(stream, std::vector<size_t>{1}, limits) == whole, "bytes change nothing");
  }
}

void ExpectBatchAgrees(std::string_view stream) {
  CommandBatch batch;
  batch.Read(stream);
  RespParser parser;
  for (size_t i = 0; i < batch.size(); ++i) {
    Check(parser.Parse(stream, {}) == RespParser::Result::kCommand, "a batch reads commands only");
    const auto expected = parser.arguments();
    const auto words = batch.arguments(i);
    Check(std::equal(expected.begin(), expected.end(), words.begin(), words.end()) &&
              parser.command_size() == batch.bytes(i),
          "a batch reads what the parser reads");
    stream.remove_prefix(batch.bytes(i));
  }
}

}  // namespace
}  // namespace chorale

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  chorale::ExpectBatchAgrees(stream);
  chorale::ExpectSameHoweverCut(stream, {});
  chorale::ExpectSameHoweverCut(
      stream,
      {.max_bulk_length = 20, .max_arguments = 4, .max_inline_length = 12, .authenticated = false});
  return 0;
}
