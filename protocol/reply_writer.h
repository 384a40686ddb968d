// Writes replies in RESP2 or RESP3 (https://redis.io/docs/latest/develop/reference/protocol-spec/)
// to the end of a string. Types that RESP2 lacks are written as Redis writes them there: a map as a
// flat array, a set and a push as an array, a double as a bulk string, a boolean as 0 or 1, null as
// a null bulk string. Not thread-safe; it keeps no state but the target and the version.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace chorale {

class ReplyWriter {
 public:
  // `version` is 2 or 3. `out` must outlive the writer.
  ReplyWriter(std::string* out, int version) : out_(out), version_(version) {}

  int version() const { return version_; }
  void set_version(int version) { version_ = version; }
  std::string& out() { return *out_; }

  void Ok();                                 // +OK
  void Pong();                               // +PONG
  void SimpleString(std::string_view text);  // no CR or LF in it
  // `text` carries its code ("ERR ...", "WRONGTYPE ..."); CR and LF become spaces, at the end they
  // are left out.
  void Error(std::string_view text);
  void Integer(int64_t value);
  void Bulk(std::string_view bytes);
  void BulkInteger(int64_t value);  // the digits as a bulk string
  void Null();                      // RESP2: $-1
  void NullArray();                 // RESP2: *-1; RESP3: null
  void Boolean(bool value);
  void Double(double value);                                      // RESP2: bulk string
  void BigNumber(std::string_view digits);                        // RESP2: bulk string
  void Verbatim(std::string_view format, std::string_view text);  // format: three letters, "txt"
  void ArrayHeader(size_t elements);
  void MapHeader(size_t pairs);
  void SetHeader(size_t elements);
  void PushHeader(size_t elements);
  void AttributeHeader(size_t pairs);  // RESP3 only

 private:
  std::string* out_;
  int version_;
};

}  // namespace chorale
