#include "bench/load/workloads/message.h"

namespace chorale::bench {
namespace {

// A size in as few bytes as it needs: 8, 16 or 32 bits, of which each has a type byte.
void AppendSize(size_t size, char type8, char type16, char type32, std::string* out) {
  int bits = 32;
  if (size < 1 << 8 && type8 != 0) {
    out->push_back(type8);
    bits = 8;
  } else if (size < 1 << 16) {
    out->push_back(type16);
    bits = 16;
  } else {
    out->push_back(type32);
  }
  while (bits > 0) out->push_back(static_cast<char>(size >> (bits -= 8)));
}

void AppendText(std::string_view text, std::string* out) {
  if (text.size() < 32) {
    out->push_back(static_cast<char>(0xa0 | text.size()));
  } else {
    AppendSize(text.size(), '\xd9', '\xda', '\xdb', out);
  }
  out->append(text);
}

void AppendData(size_t size, std::string* out) {
  AppendSize(size, '\xc4', '\xc5', '\xc6', out);
  out->append(size, 'x');
}

std::string Begin(size_t pairs, size_t data_size) {
  std::string out(1, static_cast<char>(0x80 | pairs));
  AppendText("type", &out);
  AppendText("bench.message", &out);
  AppendText("data", &out);
  AppendData(data_size, &out);
  return out;
}

}  // namespace

size_t DataOffset(size_t data_size) { return Begin(2, data_size).size() - data_size; }

std::string EncodeMessage(size_t data_size) { return Begin(2, data_size); }

std::string EncodeMessageTo(size_t data_size, std::string_view channel) {
  std::string out = Begin(3, data_size);
  AppendText("__asgi_channel__", &out);
  AppendText(channel, &out);
  return out;
}

std::string EncodeMessageTo(size_t data_size, std::span<const std::string> channels) {
  std::string out = Begin(3, data_size);
  AppendText("__asgi_channel__", &out);
  if (channels.size() < 16) {
    out.push_back(static_cast<char>(0x90 | channels.size()));
  } else {
    AppendSize(channels.size(), 0, '\xdc', '\xdd', &out);
  }
  for (const std::string& channel : channels) AppendText(channel, &out);
  return out;
}

}  // namespace chorale::bench
