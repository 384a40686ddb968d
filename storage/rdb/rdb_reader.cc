#include "storage/rdb/rdb_reader.h"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "storage/database.h"
#include "storage/rdb/rdb_format.h"
#include "storage/rdb/skipped_values.h"
#include "storage/rdb/value_reader.h"

namespace chorale {
namespace {

class Reader {
 public:
  Reader(rdb::ByteSource source, int databases, int64_t now_ms, const RdbSink& sink)
      : databases_(databases), now_ms_(now_ms), sink_(sink), input_(std::move(source)) {}

  absl::StatusOr<RdbSummary> Read() {
    if (ReadHeader() && ReadRecords() && ReadTrailer()) return std::move(summary_);
    if (!in_value_) return input_.status();
    const std::string key = absl::CHexEscape(key_.substr(0, kMostOfKey));
    return absl::Status(
        input_.status().code(),
        absl::StrCat(input_.status().message(), ", in the value of key \"", key,
                     key_.size() > kMostOfKey ? "..." : "", "\" of database ", database_));
  }

 private:
  static constexpr size_t kMostOfKey = 100;  // Bytes of it in an error.

  bool ReadHeader() {
    constexpr std::string_view kMagic = "REDIS";
    constexpr size_t kVersionDigits = 4;
    std::string magic;
    std::string version;
    if (!input_.ReadBytes(kMagic.size(), magic)) return false;
    if (magic != kMagic) return input_.Fail("this is not an RDB file of Redis");
    if (!input_.ReadBytes(kVersionDigits, version)) return false;
    if (!absl::SimpleAtoi(version, &summary_.version) || summary_.version < 1) {
      return input_.Fail("the file does not say which version of the RDB format it has");
    }
    if (summary_.version > rdb::kNewestVersion) {
      return input_.Fail(absl::StrCat("the file has version ", summary_.version,
                                      " of the RDB format, and ", rdb::kNewestVersion,
                                      " is the newest that can be read"));
    }
    return true;
  }

  bool ReadRecords() {
    uint8_t first = 0;
    while (input_.ReadByte(first)) {
      if (first == rdb::kEnd) return true;
      if (!(first >= rdb::kFirstOpcode ? ReadOpcode(first) : ReadKey(first))) return false;
    }
    return false;
  }

  bool ReadTrailer() {
    if (summary_.version >= rdb::kFirstVersionWithChecksum && !input_.VerifyChecksum()) {
      return false;
    }
    return input_.ExpectEnd();
  }

  bool ReadOpcode(uint8_t opcode) {
    std::string module;
    switch (opcode) {
      case rdb::kAuxiliary:
        return ReadAuxiliary();
      case rdb::kSelectDatabase:
        return ReadDatabase();
      case rdb::kExpiryMs:
        return input_.ReadInt64(expiry_ms_.emplace());
      case rdb::kExpirySeconds:
        return ReadExpirySeconds();
      case rdb::kFrequency:
        return input_.Skip(1);
      case rdb::kIdle:
        return input_.SkipLengths(1);
      case rdb::kResizeDatabase:
        return input_.SkipLengths(2);
      case rdb::kSlotInfo:
        return input_.SkipLengths(3);
      case rdb::kFunctionLibrary:
        return Skipped("function library") && input_.SkipString();
      case rdb::kFunctionPreRelease:
        return input_.Fail("a function library in the form before Redis 7.0 cannot be passed over");
      case rdb::kModuleAuxiliary:
        return rdb::SkipModuleAuxiliary(input_, module) &&
               Skipped(absl::StrCat("data of module type ", module));
      case rdb::kKeyMetadata:
        return Skipped("key metadata of modules") && rdb::SkipKeyMetadata(input_);
    }
    return input_.Fail(absl::StrCat("unknown opcode ", opcode));
  }

  bool ReadAuxiliary() {
    std::string name;
    std::string value;
    if (!input_.ReadString(name) || !input_.ReadString(value)) return false;
    if (name == "redis-ver") summary_.redis_version = absl::CHexEscape(value);
    return true;
  }

  bool ReadDatabase() {
    uint64_t number = 0;
    if (!input_.ReadLength(number)) return false;
    if (number >= static_cast<uint64_t>(databases_)) {
      return input_.Fail(absl::StrCat("there are keys in database ", number,
                                      ", but the option databases is ", databases_));
    }
    database_ = static_cast<int>(number);
    return true;
  }

  bool ReadExpirySeconds() {
    int32_t seconds = 0;
    if (!input_.ReadInt32(seconds)) return false;
    expiry_ms_ = int64_t{seconds} * 1000;
    return true;
  }

  bool ReadKey(uint8_t type) {
    Entry::Pointer entry;
    if (!rdb::IsKnownType(type)) return input_.Fail(absl::StrCat("unknown type ", type));
    if (!input_.ReadString(key_)) return false;
    in_value_ = true;
    if (!rdb::ReadValue(input_, type, key_, now_ms_, summary_, entry)) return false;
    in_value_ = false;
    const std::optional<int64_t> expiry_ms = std::exchange(expiry_ms_, std::nullopt);
    if (entry == nullptr) return true;
    if (expiry_ms && *expiry_ms < now_ms_) {
      ++summary_.expired_keys;
      return true;
    }
    ++summary_.keys[std::string(ValueTypeName(entry->type()))];
    const absl::Status taken =
        sink_(database_, std::move(entry), expiry_ms.value_or(Database::kNever));
    return taken.ok() || input_.Fail(taken);
  }

  bool Skipped(std::string_view what) {
    ++summary_.skipped[std::string(what)];
    return true;
  }

  const int databases_;
  const int64_t now_ms_;
  const RdbSink& sink_;
  rdb::Input input_;
  RdbSummary summary_;
  int database_ = 0;
  std::string key_;
  bool in_value_ = false;             // The error, if any, is in that of key_.
  std::optional<int64_t> expiry_ms_;  // Of the next key.
};

}  // namespace

absl::StatusOr<RdbSummary> ReadRdb(rdb::ByteSource source, int databases, int64_t now_ms,
                                   const RdbSink& sink) {
  return Reader(std::move(source), databases, now_ms, sink).Read();
}

absl::StatusOr<RdbSummary> ReadRdb(const std::string& path, int databases, int64_t now_ms,
                                   const RdbSink& sink) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  if (file == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  const auto source = [&](std::span<char> room) -> absl::StatusOr<size_t> {
    const size_t size = std::fread(room.data(), 1, room.size(), file.get());
    if (size < room.size() && std::ferror(file.get())) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
    }
    return size;
  };
  return ReadRdb(source, databases, now_ms, sink);
}

}  // namespace chorale
