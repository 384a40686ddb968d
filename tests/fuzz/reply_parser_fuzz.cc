// Feeds a byte stream to the C++ client's reply parser whole and in pieces. Both must read the same
// replies and end in the same error; the address sanitizer watches every view handed out.
//
//   build/clang/bin/reply_parser_fuzz -max_total_time=60 build/fuzz-corpus
//   tests/fuzz/corpus/reply_parser

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "clients/cpp/reply_parser.h"
#include "tests/unit/clients/parse_replies.h"

namespace chorale::client {
namespace {

// The pieces are drawn from the stream itself, so that a corpus file is a plain stream and a
// finding repeats.
std::vector<size_t> PieceSizes(std::string_view stream) {
  uint64_t state = 14695981039346656037u;
  for (const char c : stream) state = (state ^ static_cast<unsigned char>(c)) * 1099511628211u;
  std::vector<size_t> sizes;
  for (int i = 0; i < 5; ++i) {
    sizes.push_back(1 + static_cast<size_t>(state >> 40) % (i % 2 == 0 ? 3 : 50));
    state = state * 6364136223846793005u + 1442695040888963407u;
  }
  return sizes;
}

void Check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "the parser broke a promise: %s\n", what);
  std::abort();
}

void ExpectSameHoweverCut(std::string_view stream, const ReplyLimits& limits) {
  const ParsedReplies whole = ParseReplies(stream, limits);
  Check(whole.consumed <= stream.size(), "no more bytes are consumed than came");
  Check(ParseRepliesInPieces(stream, PieceSizes(stream), limits) == whole, "pieces change nothing");
  if (stream.size() <= 512) {
    Check(ParseRepliesInPieces(stream, std::vector<size_t>{1}, limits) == whole,
          "bytes change nothing");
  }
}

}  // namespace
}  // namespace chorale::client

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using chorale::client::ExpectSameHoweverCut;
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  ExpectSameHoweverCut(stream, {});
  ExpectSameHoweverCut(stream,
                       {.max_bytes = 64, .max_values = 8, .max_depth = 2, .max_line_bytes = 12});
  return 0;
}
