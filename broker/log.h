// The log: levels named as in redis.conf, mapped to spdlog's.

#pragma once

#include <cstdint>
#include <string>

namespace chorale {

// Writes to `file`, or to standard output when it is empty. At start-up; throws when the file
// cannot be opened.
void OpenLog(const std::string& file);
// The value of the option loglevel: 0 debug, 1 verbose, 2 notice, 3 warning. Any thread.
void SetLogLevel(int64_t level);

}  // namespace chorale
