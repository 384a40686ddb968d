#include "bench/load/workloads/channels_redis.h"

#include <algorithm>
#include <charconv>

#include "bench/load/clock.h"

namespace chorale::bench::channels_redis {
namespace {

constexpr std::string_view kPrefix = "asgi";

}  // namespace

const std::string_view kRecoveryScript = R"lua(
            local backed_up = redis.call('ZRANGE', ARGV[2], 0, -1, 'WITHSCORES')
            for i = #backed_up, 1, -2 do
                redis.call('ZADD', ARGV[1], backed_up[i], backed_up[i - 1])
            end
            redis.call('DEL', ARGV[2])
        )lua";

const std::string_view kGroupSendScript = R"lua(
                local over_capacity = 0
                local current_time = ARGV[#ARGV - 1]
                local expiry = ARGV[#ARGV]
                for i=1,#KEYS do
                    if redis.call('ZCOUNT', KEYS[i], '-inf', '+inf') < tonumber(ARGV[i + #KEYS]) then
                        redis.call('ZADD', KEYS[i], current_time, ARGV[i])
                        redis.call('EXPIRE', KEYS[i], expiry)
                    else
                        over_capacity = over_capacity + 1
                    end
                end
                return over_capacity
            )lua";

Time::Time(double seconds) : seconds_(seconds) {
  // The fewest digits that read back as the same, as Python's repr(); there are no exponents in
  // times of this age.
  char* end = std::to_chars(text_, text_ + kSpace, seconds, std::chars_format::fixed).ptr;
  if (std::find(text_, end, '.') == end) end = std::copy_n(".0", 2, end);
  size_ = static_cast<size_t>(end - text_);
}

Time Time::Now() { return Time(static_cast<double>(ReadClock(CLOCK_REALTIME)) / 1e9); }

std::string Hex(Random& random) {
  constexpr size_t kDigits = 32;
  std::string text;
  uint64_t bits = 0;
  for (size_t i = 0; i < kDigits; ++i, bits >>= 4) {
    if (i % 16 == 0) bits = random.Next();
    text.push_back("0123456789abcdef"[bits & 15]);
  }
  return text;
}

Process::Process(Random& random, size_t count) {
  mailbox = "specific." + Hex(random) + "!";
  queue = std::string(kPrefix) + mailbox;
  backup = queue + "$inflight";
  for (size_t i = 0; i < count; ++i) channels.push_back(mailbox + Hex(random));
}

std::string GroupKey(std::string_view group) {
  return std::string(kPrefix) + ":group:" + std::string(group);
}

std::string GroupChannel(std::string_view group) {
  return std::string(kPrefix) + "__group__" + std::string(group);
}

std::string PubSubChannel(Random& random) {
  return std::string(kPrefix) + "specific." + Hex(random);
}

}  // namespace chorale::bench::channels_redis
