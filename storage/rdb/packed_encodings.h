// The encodings in which Redis keeps small values and writes them as one string: ziplist, listpack,
// zipmap and intset. Each is walked from its start; what does not fit into the bytes, or
// contradicts itself, is refused. Thread-safe.

#pragma once

#include <string_view>

#include "absl/functional/function_ref.h"

namespace chorale::rdb {

// Gets each element in order, an integer as its text, and returns false to stop. The view ends with
// the call.
using ElementVisitor = absl::FunctionRef<bool(std::string_view element)>;

// Return whether the bytes are sound and the visitor took every element. A zipmap's fields and
// values are visited in turn.
[[nodiscard]] bool VisitZiplist(std::string_view bytes, ElementVisitor visit);
[[nodiscard]] bool VisitListpack(std::string_view bytes, ElementVisitor visit);
[[nodiscard]] bool VisitZipmap(std::string_view bytes, ElementVisitor visit);
[[nodiscard]] bool VisitIntset(std::string_view bytes, ElementVisitor visit);

}  // namespace chorale::rdb
