// Aggregate replies whose length is known only once their elements are written.

#pragma once

#include <cstddef>
#include <string>

#include "protocol/reply_writer.h"

namespace chorale {

// Calls body(ReplyWriter&), which writes elements and returns how many, and puts the header, such
// as &ReplyWriter::ArrayHeader, before them.
template <typename Body>
void WriteCounted(ReplyWriter& reply, void (ReplyWriter::*header)(size_t), Body body) {
  std::string elements;
  ReplyWriter writer(&elements, reply.version());
  const size_t count = body(writer);
  (reply.*header)(count);
  reply.out().append(elements);
}

}  // namespace chorale
