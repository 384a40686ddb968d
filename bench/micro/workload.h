// What the benchmarks feed: numbers and names drawn with a fixed seed. (The hash of keys has a seed
// of its own in each process, so that which keys collide differs from run to run.)

#pragma once

#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace chorale::bench {

inline constexpr uint64_t kSeed = 20'260'101;
// Unix time, in milliseconds, at which everything happens.
inline constexpr int64_t kNow = 1'767'225'600'000;

// xorshift64*: a nanosecond for a number, where std::mt19937_64 would be seen in the figures.
class Random {
 public:
  uint64_t operator()() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1D;
  }
  size_t Below(size_t end) { return static_cast<size_t>((*this)() >> 32) % end; }

 private:
  uint64_t state_ = kSeed;
};

// The names of keys, fields and members: "name:0000042", made anew each time, so that a million of
// them take no cache from what is measured. A view is valid until the next one.
class Names {
 public:
  // Below 10,000,000.
  explicit Names(size_t count) : count_(count) {}

  std::string_view At(size_t index) {
    for (size_t i = text_.size(); i > kDigitsAt; index /= 10) {
      text_[--i] = static_cast<char>('0' + index % 10);
    }
    return {text_.data(), text_.size()};
  }
  std::string_view Any() { return At(random_.Below(count_)); }
  // Any that is not one of the others.
  std::string_view New() { return At(count_ + random_.Below(1'000'000)); }

 private:
  static constexpr size_t kDigitsAt = 5;
  const size_t count_;
  Random random_;
  std::array<char, 12> text_{'n', 'a', 'm', 'e', ':'};
};

// As long as those of channels_redis and channels_chorale: "specific.", 32 digits and "!".
[[nodiscard]] inline std::string MailboxName(int64_t process) {
  const std::string digits = std::to_string(process);
  return "specific." + std::string(32 - digits.size(), '0') + digits + "!";
}
[[nodiscard]] inline std::string ChannelOf(const std::string& mailbox) {
  return mailbox + "xKzQmPqRsTuV";
}
// Up to 15 bytes need no memory of their own.
inline constexpr const char* kShortGroup = "chat_lobby";
inline constexpr const char* kLongGroup = "chat_a.room.with.a.name.of.some.length";

// A value of so many elements, kept for the benchmarks of its type that follow; each leaves it with
// as many elements as it found.
template <typename Value, void (*kFill)(Value&, size_t)>
Value& Filled(size_t size) {
  static size_t filled_with = 0;
  static std::unique_ptr<Value> value;
  if (value == nullptr || filled_with != size) {
    value = std::make_unique<Value>();
    kFill(*value, size);
    filled_with = size;
  }
  return *value;
}

// Elements of a collection: in its packed encoding, at the edge of it, and beyond.
inline void Sizes(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t size : {8, 100, 10'000, 1'000'000}) benchmark->Arg(size);
}

}  // namespace chorale::bench
