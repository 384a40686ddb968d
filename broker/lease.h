// The lease on what a channels_redis consumer popped.
//
// channels_redis receives in three steps: its recovery script moves what an earlier receive left
// behind back into the queue, BZPOPMIN pops a message, ZADD writes it to a backup. A consumer that
// is cancelled between the last two loses the message. Therefore: when the command right after the
// recovery script for a key is a BZPOPMIN of that key alone, the popped message stays leased to the
// connection until its next command. If the connection closes first (redis-py drops a connection
// whose reply nobody waited for), the message goes back to the head of its queue. Any other pop
// behaves as in Redis.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace chorale {

class IoThread;

struct Lease {
  int db = 0;
  std::string key;
  std::string member;
  double score = 0;
  int64_t expiry_ms = 0;  // of the key when the message was popped; Database::kNever if none
};

// Puts the message back, with the score and the expiry that it had; it is dropped if that time has
// passed. On an I/O thread that holds no shard.
void GiveBack(IoThread& thread, std::unique_ptr<Lease> lease);

}  // namespace chorale
