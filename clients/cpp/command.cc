#include "clients/cpp/command.h"

#include "protocol/reply_writer.h"

namespace chorale::client {

void AppendCommand(std::span<const Word> words, std::string* out) {
  // Both directions of the protocol write arrays and bulk strings alike.
  ReplyWriter writer(out, 3);
  writer.ArrayHeader(words.size());
  for (const Word& word : words) writer.Bulk(word.text());
}

size_t CommandSizeBound(std::span<const Word> words) {
  constexpr size_t kHeader = 1 + 20 + 2;  // a type byte, a number, CR LF
  size_t bytes = kHeader;
  for (const Word& word : words) bytes += kHeader + word.text().size() + 2;
  return bytes;
}

}  // namespace chorale::client
