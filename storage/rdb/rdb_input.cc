#include "storage/rdb/rdb_input.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "liblzf/lzf.h"

namespace chorale::rdb {
namespace {

constexpr size_t kBufferSize = size_t{64} << 10;
constexpr size_t kChecksumSize = 8;

// The forms of a string that is not written as it is.
enum Form : uint8_t { kInt8 = 0, kInt16 = 1, kInt32 = 2, kCompressed = 3 };

// The most that LZF makes of one byte: three bytes repeat up to 264.
constexpr uint64_t kMaxExpansion = 88;

// Sizes of a text double that are numbers themselves.
constexpr uint8_t kNotANumber = 253;
constexpr uint8_t kInfinity = 254;
constexpr uint8_t kMinusInfinity = 255;

}  // namespace

Input::Input(ByteSource source) : source_(std::move(source)), buffer_(kBufferSize) {}

bool Input::Fail(const std::string& what) {
  return Fail(absl::InvalidArgumentError(absl::StrCat("offset ", offset(), ": ", what)));
}

bool Input::Fail(absl::Status status) {
  status_.Update(std::move(status));
  return false;
}

void Input::SumUp() {
  sum_.process_bytes(buffer_.data() + summed_, next_ - summed_);
  summed_ = next_;
}

bool Input::Refill() {
  if (!status_.ok()) return false;
  if (buffered() > 0) return true;
  SumUp();
  buffer_offset_ += next_;
  next_ = end_ = summed_ = 0;
  const absl::StatusOr<size_t> size = source_(buffer_);
  if (!size.ok()) return Fail(size.status());
  end_ = *size;
  return end_ > 0;
}

bool Input::Want() { return Refill() || Fail("the file ends in the middle of its data"); }

bool Input::ReadByte(uint8_t& value) {
  if (!Want()) return false;
  value = static_cast<uint8_t>(buffer_[next_++]);
  return true;
}

bool Input::ReadBytes(uint64_t size, std::string& bytes) {
  if (size > kMaxString) return Fail(absl::StrCat("a string of ", size, " bytes is too long"));
  bytes.clear();
  while (bytes.size() < size) {
    if (!Want()) return false;
    const size_t piece = std::min<size_t>(buffered(), size - bytes.size());
    bytes.append(buffer_.data() + next_, piece);
    next_ += piece;
  }
  return true;
}

bool Input::Skip(uint64_t size) {
  while (size > 0) {
    if (!Want()) return false;
    const size_t piece = std::min<uint64_t>(buffered(), size);
    next_ += piece;
    size -= piece;
  }
  return true;
}

bool Input::ReadInteger(size_t size, bool big_endian, uint64_t& value) {
  value = 0;
  for (size_t i = 0; i < size; ++i) {
    uint8_t byte = 0;
    if (!ReadByte(byte)) return false;
    value |= uint64_t{byte} << (8 * (big_endian ? size - 1 - i : i));
  }
  return true;
}

bool Input::ReadInt32(int32_t& value) {
  uint64_t bits = 0;
  if (!ReadInteger(4, false, bits)) return false;
  value = static_cast<int32_t>(bits);
  return true;
}

bool Input::ReadInt64(int64_t& value) {
  uint64_t bits = 0;
  if (!ReadInteger(8, false, bits)) return false;
  value = static_cast<int64_t>(bits);
  return true;
}

bool Input::ReadDouble(double& value) {
  uint64_t bits = 0;
  if (!ReadInteger(8, false, bits)) return false;
  value = std::bit_cast<double>(bits);
  return true;
}

bool Input::ReadTextDouble(double& value) {
  uint8_t size = 0;
  if (!ReadByte(size)) return false;
  switch (size) {
    case kNotANumber:
      value = std::numeric_limits<double>::quiet_NaN();
      return true;
    case kInfinity:
      value = std::numeric_limits<double>::infinity();
      return true;
    case kMinusInfinity:
      value = -std::numeric_limits<double>::infinity();
      return true;
  }
  std::string text;
  if (!ReadBytes(size, text)) return false;
  return absl::SimpleAtod(text, &value) || Fail("a score is not a number");
}

bool Input::ReadPrefix(Prefix& prefix) {
  uint8_t first = 0;
  if (!ReadByte(first)) return false;
  const uint64_t low = first & 0x3f;
  prefix.is_form = false;
  switch (first >> 6) {
    case 0:
      prefix.value = low;
      return true;
    case 1: {
      uint8_t second = 0;
      if (!ReadByte(second)) return false;
      prefix.value = low << 8 | second;
      return true;
    }
    case 2:
      if (low > 1) return Fail("a length has an unknown form");
      return ReadInteger(low == 0 ? 4 : 8, true, prefix.value);
    default:
      prefix = {low, true};
      return true;
  }
}

bool Input::ReadLength(uint64_t& length) {
  Prefix prefix{};
  if (!ReadPrefix(prefix)) return false;
  if (prefix.is_form) return Fail("there is a string where a length has to be");
  length = prefix.value;
  return true;
}

bool Input::SkipLengths(int count) {
  uint64_t ignored = 0;
  for (int i = 0; i < count; ++i) {
    if (!ReadLength(ignored)) return false;
  }
  return true;
}

bool Input::ReadString(std::string& text) {
  Prefix prefix{};
  if (!ReadPrefix(prefix)) return false;
  if (!prefix.is_form) return ReadBytes(prefix.value, text);
  uint64_t bits = 0;
  switch (prefix.value) {
    case kInt8:
      if (!ReadInteger(1, false, bits)) return false;
      text = absl::StrCat(static_cast<int8_t>(bits));
      return true;
    case kInt16:
      if (!ReadInteger(2, false, bits)) return false;
      text = absl::StrCat(static_cast<int16_t>(bits));
      return true;
    case kInt32:
      if (!ReadInteger(4, false, bits)) return false;
      text = absl::StrCat(static_cast<int32_t>(bits));
      return true;
    case kCompressed:
      return ReadCompressed(text);
  }
  return Fail("a string has an unknown form");
}

bool Input::ReadCompressed(std::string& text) {
  uint64_t compressed_size = 0;
  uint64_t size = 0;
  std::string compressed;
  if (!ReadLength(compressed_size) || !ReadLength(size)) return false;
  if (size > kMaxString) return Fail(absl::StrCat("a string of ", size, " bytes is too long"));
  if (!ReadBytes(compressed_size, compressed)) return false;
  if (size == 0 || size > compressed.size() * kMaxExpansion) {
    return Fail("a compressed string has a wrong length");
  }
  text.resize(size);
  const unsigned made = lzf_decompress(compressed.data(), static_cast<unsigned>(compressed.size()),
                                       text.data(), static_cast<unsigned>(size));
  return made == size || Fail("a compressed string is damaged");
}

bool Input::SkipString() {
  Prefix prefix{};
  if (!ReadPrefix(prefix)) return false;
  if (!prefix.is_form) return Skip(prefix.value);
  uint64_t compressed_size = 0;
  switch (prefix.value) {
    case kInt8:
      return Skip(1);
    case kInt16:
      return Skip(2);
    case kInt32:
      return Skip(4);
    case kCompressed:
      return ReadLength(compressed_size) && SkipLengths(1) && Skip(compressed_size);
  }
  return Fail("a string has an unknown form");
}

bool Input::VerifyChecksum() {
  SumUp();
  const uint64_t computed = sum_.checksum();
  uint64_t written = 0;
  if (!ReadInteger(kChecksumSize, false, written)) return false;
  return written == 0 || written == computed || Fail("the checksum is wrong: the file is damaged");
}

bool Input::ExpectEnd() {
  if (!Refill()) return status_.ok();
  return Fail(
      "there is more behind the end of the data, such as the commands of an append-only file");
}

}  // namespace chorale::rdb
