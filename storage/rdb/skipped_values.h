// Walks through what Chorale has no type for, to where the next key begins. Thread-safe; the input
// is the caller's.

#pragma once

#include <cstdint>
#include <string>

#include "storage/rdb/rdb_format.h"
#include "storage/rdb/rdb_input.h"

namespace chorale::rdb {

[[nodiscard]] bool SkipStream(Input& input, uint8_t type);

// `name` becomes that of the module's type.
[[nodiscard]] bool SkipModuleValue(Input& input, std::string& name);
// What a module keeps beside its keys.
[[nodiscard]] bool SkipModuleAuxiliary(Input& input, std::string& name);
// What modules keep about the key that follows.
[[nodiscard]] bool SkipKeyMetadata(Input& input);

}  // namespace chorale::rdb
