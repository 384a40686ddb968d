// A command's row as COMMAND INFO and COMMAND DOCS reply it, and the names of ACL categories.
// Thread-safe. https://redis.io/docs/latest/commands/command/

#pragma once

#include <span>
#include <string_view>

#include "broker/command.h"

namespace chorale {

// Ten elements: name, arity, flags, first key, last key, step, categories, tips, key
// specifications, subcommands.
void WriteCommandInfo(const Command& command, ReplyWriter& reply);
// The value of one name in the reply of COMMAND DOCS.
void WriteCommandDocs(const Command& command, ReplyWriter& reply);

// The words of a text as RESP's set of simple strings.
void WriteWordSet(std::string_view words, ReplyWriter& reply);

// In the order of the bits of Category, without the leading "@".
[[nodiscard]] std::span<const std::string_view> CategoryNames();
// The bits of a category; 0 when there is none of that name.
[[nodiscard]] uint32_t CategoryByName(std::string_view name);
// The row's categories with those that follow from its flags.
[[nodiscard]] uint32_t CategoriesOf(const Command& command);

}  // namespace chorale
