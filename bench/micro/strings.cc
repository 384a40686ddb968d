// Strings through storage/locked_keys: what a command on one key does in the store, with the lock
// of its shard. Sizes are keys in the database.

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <string_view>

#include "bench/micro/allocations.h"
#include "bench/micro/workload.h"
#include "storage/locked_keys.h"
#include "storage/store.h"

namespace chorale::bench {
namespace {

constexpr int kDb = 0;
constexpr std::string_view kValue = "some value";

struct Keyspace {
  Store store{1};
};

void Fill(Keyspace& keyspace, size_t size) {
  Names names(size);
  LockedKeys keys(keyspace.store, kNow);
  keys.Lock(Store::kAllShards);
  for (size_t i = 0; i < size; ++i) keys.SetString(kDb, names.At(i), kValue);
}

// Runs work(LockedKeys&, key) in each iteration, with a key that exists and its shard locked.
template <typename Work>
void OnAnyKey(benchmark::State& state, Store& store, size_t size, Work work) {
  Names names(size);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    const std::string_view key = names.Any();
    LockedKeys keys(store, kNow);
    keys.Lock(Store::MaskOf(key));
    work(keys, key);
  }
}

template <typename Work>
void OnAnyShared(benchmark::State& state, Work work) {
  const auto size = static_cast<size_t>(state.range(0));
  OnAnyKey(state, Filled<Keyspace, Fill>(size).store, size, work);
}

void KeyCounts(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t size : {100, 10'000, 1'000'000}) benchmark->Arg(size);
}

void Get(benchmark::State& state) {
  OnAnyShared(state, [](LockedKeys& keys, std::string_view key) {
    IntegerText scratch;
    benchmark::DoNotOptimize(keys.Lookup(kDb, key)->StringValue(scratch).data());
  });
}
BENCHMARK(Get)->Name("string/get")->Apply(KeyCounts);

void SetSameSize(benchmark::State& state) {
  OnAnyShared(state, [](LockedKeys& keys, std::string_view key) {
    keys.SetString(kDb, key, "some other");
  });
}
BENCHMARK(SetSameSize)->Name("string/set_same_size")->Apply(KeyCounts);

void AddAndDelete(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  Names names(size);
  Store& store = Filled<Keyspace, Fill>(size).store;
  const AllocationMeter meter(state);
  for (auto _ : state) {
    const std::string_view key = names.New();
    LockedKeys keys(store, kNow);
    keys.Lock(Store::MaskOf(key));
    keys.SetString(kDb, key, kValue);
    if (!keys.Delete(kDb, key)) return state.SkipWithError("not there");
  }
}
BENCHMARK(AddAndDelete)->Name("string/add_delete")->Apply(KeyCounts);

// ---- one small keyspace of its own for each, whose keys change their form ----

constexpr size_t kFew = 100;

template <typename Work>
void OnAnyOfFew(benchmark::State& state, Work work) {
  Keyspace keyspace;
  Fill(keyspace, kFew);
  OnAnyKey(state, keyspace.store, kFew, work);
}

// Overwrites a value with one of the same size: up to 128 bytes it lies in the entry.
void SetBytes(benchmark::State& state) {
  const std::string value(static_cast<size_t>(state.range(0)), 'v');
  OnAnyOfFew(state,
             [&](LockedKeys& keys, std::string_view key) { keys.SetString(kDb, key, value); });
}
BENCHMARK(SetBytes)->Name("string/set_bytes")->Arg(3)->Arg(100)->Arg(129)->Arg(1024)->Arg(65'536);

// Overwrites with a value that is longer or shorter than the one before.
void SetOtherSize(benchmark::State& state) {
  const std::string text(64, 'v');
  Random random;
  OnAnyOfFew(state, [&](LockedKeys& keys, std::string_view key) {
    keys.SetString(kDb, key, std::string_view(text).substr(0, 1 + random.Below(text.size())));
  });
}
BENCHMARK(SetOtherSize)->Name("string/set_other_size");

void SetInteger(benchmark::State& state) {
  OnAnyOfFew(state,
             [](LockedKeys& keys, std::string_view key) { keys.SetString(kDb, key, "1234567"); });
}
BENCHMARK(SetInteger)->Name("string/set_integer");

void Increment(benchmark::State& state) {
  Keyspace keyspace;
  Names names(kFew);
  for (size_t i = 0; i < kFew; ++i) {
    LockedKeys keys(keyspace.store, kNow);
    keys.Lock(Store::MaskOf(names.At(i)));
    keys.SetInteger(kDb, names.At(i), 0);
  }
  OnAnyKey(state, keyspace.store, kFew, [](LockedKeys& keys, std::string_view key) {
    keys.SetInteger(kDb, key, keys.Lookup(kDb, key)->integer() + 1);
  });
}
BENCHMARK(Increment)->Name("string/increment");

// Appends ten bytes, and cuts the string off when it has become long.
void Append(benchmark::State& state) {
  constexpr size_t kLong = 10'000;
  OnAnyOfFew(state, [](LockedKeys& keys, std::string_view key) {
    std::string& bytes = keys.EditString(kDb, key, 0);
    if (bytes.size() > kLong) bytes.resize(0);
    bytes.append("0123456789");
  });
}
BENCHMARK(Append)->Name("string/append");

void SetExpiry(benchmark::State& state) {
  OnAnyOfFew(state, [](LockedKeys& keys, std::string_view key) {
    keys.SetExpiry(kDb, keys.Find(kDb, key), kNow + 60'000);
  });
}
BENCHMARK(SetExpiry)->Name("string/set_expiry");

// SET of a key that expires: the expiry goes, and EXPIRE brings it back.
void SetWithExpiry(benchmark::State& state) {
  OnAnyOfFew(state, [](LockedKeys& keys, std::string_view key) {
    keys.SetExpiry(kDb, keys.SetString(kDb, key, kValue), kNow + 60'000);
  });
}
BENCHMARK(SetWithExpiry)->Name("string/set_with_expiry");

}  // namespace
}  // namespace chorale::bench
