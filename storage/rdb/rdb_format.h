// The numbers of Redis's RDB format: types of values and opcodes between them. A byte below
// kFirstOpcode is a type, which a key and its value follow.

#pragma once

#include <cstdint>

namespace chorale::rdb {

// Redis 5 writes version 9, Redis 7.0 version 10, Redis 8 versions 12 and up.
inline constexpr int kNewestVersion = 14;
inline constexpr int kFirstVersionWithChecksum = 5;

enum Type : uint8_t {
  kString = 0,
  kList = 1,
  kSet = 2,
  kSortedSet = 3,  // Scores are text.
  kHash = 4,
  kSortedSet2 = 5,  // Scores are binary.
  kModulePreRelease = 6,
  kModule2 = 7,
  kHashZipmap = 9,
  kListZiplist = 10,
  kSetIntset = 11,
  kSortedSetZiplist = 12,
  kHashZiplist = 13,
  kListQuicklist = 14,  // Of ziplists.
  kStream = 15,
  kHashListpack = 16,
  kSortedSetListpack = 17,
  kListQuicklist2 = 18,  // Of listpacks and single large elements.
  kStream2 = 19,
  kSetListpack = 20,
  kStream3 = 21,
  kHashFieldExpiryPreRelease = 22,
  kHashFieldExpiryListpackPreRelease = 23,
  kHashFieldExpiry = 24,
  kHashFieldExpiryListpack = 25,
  kStream4 = 26,
  kStream5 = 27,
};

inline constexpr bool IsKnownType(uint8_t type) { return type <= kStream5 && type != 8; }

enum Opcode : uint8_t {
  kFirstOpcode = 243,
  kKeyMetadata = 243,
  kSlotInfo = 244,
  kFunctionLibrary = 245,
  kFunctionPreRelease = 246,
  kModuleAuxiliary = 247,
  kIdle = 248,
  kFrequency = 249,
  kAuxiliary = 250,
  kResizeDatabase = 251,
  kExpiryMs = 252,
  kExpirySeconds = 253,
  kSelectDatabase = 254,
  kEnd = 255,
};

// What a module's value is made of.
enum ModuleOpcode : uint8_t {
  kModuleEnd = 0,
  kModuleSigned = 1,
  kModuleUnsigned = 2,
  kModuleFloat = 3,
  kModuleDouble = 4,
  kModuleString = 5,
};

}  // namespace chorale::rdb
