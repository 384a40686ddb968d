// Every workload: its name, its defaults, how it is made.

#include <array>

#include "bench/load/workload.h"
#include "bench/load/workloads/plain.h"

namespace chorale::bench {
namespace {

constexpr Defaults kPlain{};

const std::array kRows = {
    WorkloadRow{"ping", "PING", kPlain, MakePlain},
    WorkloadRow{"get", "GET of keys that are there", kPlain, MakePlain},
    WorkloadRow{"set", "SET", kPlain, MakePlain},
    WorkloadRow{"incr", "INCR", kPlain, MakePlain},
    WorkloadRow{"lpush", "LPUSH to one list", kPlain, MakePlain},
    WorkloadRow{"rpop", "RPOP from one list, which is filled again in between", kPlain, MakePlain},
    WorkloadRow{"lpush_rpop", "LPUSH and RPOP in turn, of one list", kPlain, MakePlain},
    WorkloadRow{"sadd", "SADD of --keys elements to one set", kPlain, MakePlain},
    WorkloadRow{"hset", "HSET of --keys fields of one hash", kPlain, MakePlain},
    WorkloadRow{"zadd", "ZADD of --keys elements to one sorted set", kPlain, MakePlain},
    WorkloadRow{"zpopmin", "ZPOPMIN from one sorted set of --keys, filled again in between", kPlain,
                MakePlain},
    WorkloadRow{"mset", "MSET of ten keys", kPlain, MakePlain},
};

}  // namespace

std::span<const WorkloadRow> AllWorkloads() { return kRows; }

}  // namespace chorale::bench
