"""Every command form of the differential test, by family."""

from __future__ import annotations

from .grammar import Form

# Answered with whatever the server likes: the runner knows these commands, see `runner.py`.
_STRINGS = """
SET {s} {v} [EX {ttl}|PX {pttl}|EXAT {at}|PXAT {pat}|KEEPTTL] [NX|XX] [GET]
SET {s} {v}
SET {s} {v}
SET {k} {v}
SET {s} {v} (NX XX|EX {ttl} KEEPTTL|GET GET|EX|PX abc|BOGUS|EX {ttl} PX {pttl}|XX GET NX)
SETNX {s} {v}
SETEX {s} {ttl} {v}
PSETEX {s} {pttl} {v}
GET {s}
GET {k}
GETSET {s} {v}
GETDEL {s}
GETEX {s} [EX {ttl}|PX {pttl}|EXAT {at}|PXAT {pat}|PERSIST|BOGUS|EX {ttl} PERSIST]
APPEND {s} {v}
STRLEN {s}
SETRANGE {s} {offset} {v}
GETRANGE {s} {int} {int}
SUBSTR {s} {int} {int}
INCR {s}
DECR {s}
INCRBY {s} {by}
DECRBY {s} {by}
INCRBYFLOAT {s} {by_float}
MGET {k}+
MSET ({s} {v})+
MSETNX ({s} {v})+
MSET {s} {v} {s}
LCS {s} {s} [LEN|IDX] [MINMATCHLEN {int}] [WITHMATCHLEN]
"""

_BITS = """
SET {s} {v}
SETBIT {s} {offset} {bit}
SETBIT {s} {offset} {bit}
GETBIT {s} {offset}
BITCOUNT {s} [{int} {int} [BYTE|BIT|BOGUS]]
BITCOUNT {s} {int}
BITPOS {s} {bit} [{int} [{int} [BYTE|BIT|BOGUS]]]
BITOP (AND|OR|XOR) {s} {k}+
BITOP NOT {s} {k}
BITOP NOT {s} {k} {k}
BITOP BOGUS {s} {k}
GET {s}
APPEND {s} {v}
"""

_LISTS = """
LPUSH {l} {m}+
RPUSH {l} {m}+
RPUSH {l} {m} {m} {m} {m}
LPUSHX {l} {m}+
RPUSHX {l} {m}+
LPOP {l} [{count}]
RPOP {l} [{count}]
LLEN {l}
LINDEX {l} {int}
LSET {l} {int} {v}
LRANGE {l} {int} {int}
LRANGE {l} 0 -1
LTRIM {l} {int} {int}
LREM {l} {int} {m}
LINSERT {l} (BEFORE|AFTER|before|BOGUS) {m} {v}
LPOS {l} {m} [RANK {int}] [COUNT {count}] [MAXLEN {count}]
RPOPLPUSH {l} {l}
LMOVE {l} {l} (LEFT|RIGHT|BOGUS) (LEFT|RIGHT|left)
LMPOP {nk} {l} {l} (LEFT|RIGHT|BOGUS) [COUNT {count}]
BLPOP {l}+ {block}
BRPOP {l}+ {block}
BLMOVE {l} {l} (LEFT|RIGHT) (LEFT|RIGHT) {block}
BRPOPLPUSH {l} {l} {block}
BLMPOP {block} {nk} {l} {l} (LEFT|RIGHT) [COUNT {count}]
SORT {l} [LIMIT {int} {int}] [ASC|DESC] [ALPHA] [GET #]
SORT {l} ALPHA STORE {l}
SORT_RO {l} ALPHA
"""

_HASHES = """
HSET {h} ({f} {v})+
HSET {h} {f} {v} {f} {v} {f} {v} {f} {v}
HSET {h} {f} {v} {f}
HMSET {h} ({f} {v})+
HSETNX {h} {f} {v}
HGET {h} {f}
HMGET {h} {f}+
HDEL {h} {f}+
HEXISTS {h} {f}
HLEN {h}
HSTRLEN {h} {f}
HINCRBY {h} {f} {by}
HINCRBYFLOAT {h} {f} {by_float}
HKEYS {h}
HVALS {h}
HGETALL {h}
HRANDFIELD {h} [{signed_count} [WITHVALUES|BOGUS]]
*HSCAN {h} [MATCH {glob}] [COUNT {count}]
"""

_SETS = """
SADD {t} {m}+
SADD {t} {m} {m} {m} {m} {m}
SADD {t} 1 2 3 {m}
SREM {t} {m}+
SCARD {t}
SISMEMBER {t} {m}
SMISMEMBER {t} {m}+
SMEMBERS {t}
SMOVE {t} {t} {m}
SPOP {t} [{count}]
SRANDMEMBER {t} [{signed_count}]
SINTER {t}+
SUNION {t}+
SDIFF {t}+
SINTERSTORE {t} {t}+
SUNIONSTORE {t} {t}+
SDIFFSTORE {t} {t}+
SINTERCARD {nk} {t} {t} [LIMIT {count}]
*SSCAN {t} [MATCH {glob}] [COUNT {count}]
"""

_SORTED_SETS = """
ZADD {z} [NX|XX|GT|LT|XX GT|XX LT] [CH] ({score} {m})+
ZADD {z} {score} {m} {score} {m} {score} {m}
ZADD {z} (NX|XX|GT) INCR {score} {m}
ZADD {z} (NX XX|GT LT|NX GT|INCR CH) {score} {m} [{score} {m}]
ZADD {z} {score} {m} {score}
ZINCRBY {z} {score} {m}
ZREM {z} {m}+
ZCARD {z}
ZSCORE {z} {m}
ZMSCORE {z} {m}+
ZRANK {z} {m}
ZREVRANK {z} {m}
ZCOUNT {z} {min} {max}
ZRANGE {z} {int} {int} [REV] [WITHSCORES]
ZRANGE {z} {min} {max} BYSCORE [LIMIT {int} {int}] [WITHSCORES]
ZRANGE {z} {max} {min} BYSCORE REV [LIMIT {int} {int}] [WITHSCORES]
ZRANGE {z} 0 -1 (LIMIT 0 1|BYLEX WITHSCORES|BYLEX BYSCORE|BOGUS)
ZRANGESTORE {z} {z} {int} {int} [REV]
ZRANGESTORE {z} {z} {min} {max} BYSCORE [LIMIT {int} {int}]
ZREVRANGE {z} {int} {int} [WITHSCORES]
ZRANGEBYSCORE {z} {min} {max} [WITHSCORES] [LIMIT {int} {int}]
ZREVRANGEBYSCORE {z} {max} {min} [WITHSCORES] [LIMIT {int} {int}]
ZREMRANGEBYSCORE {z} {min} {max}
ZREMRANGEBYRANK {z} {int} {int}
ZPOPMIN {z} [{count}]
ZPOPMAX {z} [{count}]
ZMPOP {nk} {z} {z} (MIN|MAX|BOGUS) [COUNT {count}]
BZPOPMIN {z}+ {block}
BZPOPMAX {z}+ {block}
BZMPOP {block} {nk} {z} {z} (MIN|MAX) [COUNT {count}]
ZUNION {nk} {z} {k} [WEIGHTS {weight} {weight}] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]
ZINTER {nk} {z} {z} [WEIGHTS {weight} {weight}] [AGGREGATE (SUM|MIN|MAX|BOGUS)] [WITHSCORES]
ZDIFF {nk} {z} {z} [WITHSCORES]
ZUNIONSTORE {z} {nk} {z} {t} [WEIGHTS {weight} {weight}] [AGGREGATE (SUM|MIN|MAX)]
ZINTERSTORE {z} {nk} {z} {z} [WEIGHTS {weight} {weight}] [AGGREGATE (SUM|MIN|MAX)]
ZDIFFSTORE {z} {nk} {z} {z}
ZINTERCARD {nk} {z} {z} [LIMIT {count}]
ZRANDMEMBER {z} [{signed_count} [WITHSCORES|BOGUS]]
*ZSCAN {z} [MATCH {glob}] [COUNT {count}]
"""

_LEXICOGRAPHIC = """
ZADD {y} 0 {ym}
ZADD {y} 0 {ym} 0 {ym} 0 {ym}
ZREM {y} {ym}
ZLEXCOUNT {y} {lexmin} {lexmax}
ZRANGEBYLEX {y} {lexmin} {lexmax} [LIMIT {int} {int}]
ZREVRANGEBYLEX {y} {lexmax} {lexmin} [LIMIT {int} {int}]
ZRANGE {y} {lexmin} {lexmax} BYLEX [LIMIT {int} {int}]
ZRANGE {y} {lexmax} {lexmin} BYLEX REV [LIMIT {int} {int}]
ZRANGESTORE {y} {y} {lexmin} {lexmax} BYLEX
ZREMRANGEBYLEX {y} {lexmin} {lexmax}
ZPOPMIN {y}
"""

_FILL = """
SET {s} {v}
RPUSH {l} {m}+
HSET {h} ({f} {v})+
SADD {t} {m}+
ZADD {z} ({score} {m})+
"""

_KEYS = """
DEL {k}+
UNLINK {k}+
EXISTS {k}+
TOUCH {k}+
TYPE {k}
TTL {k}
PTTL {k}
EXPIRETIME {k}
PEXPIRETIME {k}
PERSIST {k}
EXPIRE {k} {ttl} [NX|XX|GT|LT|BOGUS|NX XX|GT LT]
PEXPIRE {k} {pttl} [NX|XX|GT|LT]
EXPIREAT {k} {at} [NX|XX|GT|LT]
PEXPIREAT {k} {pat} [NX|XX|GT|LT]
*EXPIRED {k}
RENAME {k} {k}
RENAMENX {k} {k}
COPY {k} {k} [DB {db}] [REPLACE]
COPY {k} {k} BOGUS
MOVE {k} {db}
SELECT {db}
SWAPDB {db} {db}
DBSIZE
KEYS {glob}
RANDOMKEY
FLUSHDB [ASYNC|SYNC|BOGUS]
FLUSHALL
OBJECT ENCODING {k}
OBJECT REFCOUNT {k}
OBJECT IDLETIME {k}
OBJECT BOGUS {k}
MEMORY USAGE {k} [SAMPLES {count}]
*SCAN [MATCH {glob}] [COUNT {count}] [TYPE (string|list|hash|set|zset|bogus)]
SCAN {int} [MATCH|COUNT|COUNT 0|BOGUS 1]
"""

_TRANSACTIONS = """
MULTI
MULTI
EXEC
EXEC
DISCARD
WATCH {k}+
UNWATCH
INCR {s}
SET {s} {v}
LPUSH {l} {m}
BLPOP {l} 0.3
BZPOPMIN {z} 0.3
BLMOVE {l} {l} LEFT RIGHT 0.3
HSET {h} {f} {v}
SADD {t} {m}
ZADD {z} {score} {m}
GET {k}
EXPIRE {k} {ttl}
DEL {k}
SELECT {db}
SMEMBERS {t}
HGETALL {h}
PING
"""

_SCRIPTS = """
EVAL {script} 2 {k} {k} {v} {v}
EVAL {script} 2 {k} {k} {v} {v}
EVAL {script} 2 {k} {k} {v} {v}
EVAL {script} {nk} {k} {k} {v} {v}
EVAL_RO {script} 2 {k} {k} {v} {v}
EVALSHA {digest} 2 {k} {k} {v} {v}
EVALSHA {upper_digest} 2 {k} {k} {v} {v}
EVALSHA_RO {digest} 2 {k} {k} {v} {v}
SCRIPT LOAD {script}
SCRIPT EXISTS {digest}+
SCRIPT FLUSH [SYNC|ASYNC|BOGUS]
SCRIPT KILL
MULTI
EXEC
GET {s}
"""

_CONNECTION = """
PING [{text}]
ECHO {text}
SELECT {db}
HELLO [2|3|4|abc]
HELLO 3 (SETNAME {m}|SETNAME|AUTH default|BOGUS)
RESET
CLIENT GETNAME
CLIENT SETNAME {m}
CLIENT ID
CLIENT NO-EVICT (ON|OFF|BOGUS)
CLIENT BOGUS
CLIENT
CLIENT UNBLOCK 999999 [TIMEOUT|ERROR|BOGUS]
CLIENT KILL (ID 999999|TYPE bogus|ID abc|BOGUS 1|1.2.3.4:5)
CLIENT LIST (TYPE bogus|ID abc|BOGUS)
MULTI
DISCARD
SET {s} {v}
GET {s}
PUBSUB NUMPAT
PUBSUB NUMSUB [{m}+]
PUBSUB SHARDNUMSUB [{m}+]
PUBSUB CHANNELS [{glob}]
PUBSUB SHARDCHANNELS
PUBSUB BOGUS
PUBLISH {m} {v}
SPUBLISH {m} {v}
SCRIPT EXISTS {m}+
SCRIPT BOGUS
CONFIG GET nosuchoption
CONFIG SET nosuchoption 1
CONFIG BOGUS
COMMAND COUNT BOGUS
COMMAND GETKEYS (GET {k}|MSET {k} 1 {k} 2|EVAL x 2 {k} {k} 3|PING|BOGUS|BLMPOP 0 2 {k} {k} LEFT)
COMMAND GETKEYS (ZUNIONSTORE {k} 2 {k} {k}|SORT {k} STORE {k}|BLPOP {k} {k} 0|BITOP NOT {k} {k})
COMMAND BOGUS
OBJECT HELP BOGUS
SLOWLOG BOGUS
SLOWLOG RESET
LATENCY BOGUS
WAIT 0 0
WAIT abc 0
WAIT 0 -1
AUTH
AUTH wrong
AUTH default wrong
AUTH nobody wrong
BOGUS {f}+
LOLWUT-NOT {k}
DEBUG
"""

# Families of several clients at once, see crowd.py. Here nothing depends on chance, nor on the
# order in which two keys become ready at once (SWAPDB), nor does a sorted set replace a value of
# another type in place, of which 7.0 tells nobody who waits.
_BLOCKING = """
BLPOP {bl} {bl} 0
BLPOP {bl} 0
BRPOP {bl} {bl} 0
BLMOVE {bl} {bl} (LEFT|RIGHT) (LEFT|RIGHT) 0
BRPOPLPUSH {bl} {bl} 0
BLMPOP 0 2 {bl} {bl} (LEFT|RIGHT) [COUNT 2]
BZPOPMIN {bz} {bz} 0
BZPOPMAX {bz} 0
BZMPOP 0 2 {bz} {bz} (MIN|MAX) [COUNT 2]
LPUSH {bl} {m}
RPUSH {bl} {m} {m} {m}
RPUSH {bl} {m}
RPUSHX {bl} {m}
LMOVE {bl} {bl} LEFT RIGHT
RPOPLPUSH {bl} {bl}
ZADD {bz} 1 {m}
ZADD {bz} 1 {m} 2 {m} 3 {m}
ZINCRBY {bz} 5 {m}
ZUNIONSTORE {bz} 2 {bz} {bz}
ZRANGESTORE {bz} {bz} 0 -1
*SKIP (BLPOP|BRPOP) {bl} {bl} 0
*SKIP BLMOVE {bl} {bl} LEFT RIGHT 0
*SKIP (BZPOPMIN|BZPOPMAX) {bz} 0
*SKIP RPUSH {bl} {m}
RENAME {bl} {bl}
RENAME {bz} {bz}
COPY {bl} {bl} REPLACE
DEL {bk}
SET {bl} x
SADD {bl} x
EVAL {push_script} 2 {bl} {bz}
MULTI
EXEC
EXEC
DISCARD
WATCH {bk}
LPOP {bl}
LLEN {bl}
MOVE {bk} 1
FLUSHALL
SELECT (0|0|1)
"""

_PUBSUB = """
SUBSCRIBE {channel}+
SUBSCRIBE {channel} {channel} {channel}
UNSUBSCRIBE {channel}+
UNSUBSCRIBE
PSUBSCRIBE {pattern}+
PUNSUBSCRIBE {pattern}
PUNSUBSCRIBE
SSUBSCRIBE {channel}+
SUNSUBSCRIBE {channel}
SUNSUBSCRIBE
PUBLISH {channel} {v}
PUBLISH {channel} {v}
PUBLISH {channel} {v}
SPUBLISH {channel} {v}
SPUBLISH {channel} {v}
*SKIP (SUBSCRIBE|SSUBSCRIBE|UNSUBSCRIBE|SUNSUBSCRIBE) {channel}+
*SKIP (PSUBSCRIBE|PUNSUBSCRIBE) {pattern}
*SKIP (PUBLISH|SPUBLISH) {channel} {v}
*SKIP (PING|NOSUCHCOMMAND|GET {channel})
PUBSUB CHANNELS [{pattern}]
PUBSUB NUMSUB {channel} {channel}
PUBSUB NUMPAT
PUBSUB SHARDCHANNELS [{pattern}]
PUBSUB SHARDNUMSUB {channel} {channel}
EVAL {publish_script} 0 {channel} {v}
GET {channel}
PING
PING {v}
SUBSCRIBE
PUBLISH {channel}
RESET
ECHO {v}
"""

_OPENING = """
SET {s} {v}
SET s0 {v}
RPUSH {l} {m} {m} {m} {m}
HSET {h} {f} {v} {f} {v} {f} {v}
SADD {t} {m} {m} {m}
ZADD {z} {score} {m} {score} {m} {score} {m}
EXPIRE {k} 5000
"""

FAMILIES: dict[str, tuple[str, ...]] = {
    "strings": (_STRINGS,),
    "bits": (_BITS,),
    "lists": (_LISTS,),
    "hashes": (_HASHES,),
    "sets": (_SETS,),
    "sorted_sets": (_SORTED_SETS,),
    "lexicographic": (_LEXICOGRAPHIC,),
    "keys": (_KEYS, _FILL, _FILL),
    "transactions": (_TRANSACTIONS, _FILL),
    "scripts": (_SCRIPTS,),
    "connection": (_CONNECTION,),
    "everything": (
        _STRINGS,
        _BITS,
        _LISTS,
        _HASHES,
        _SETS,
        _SORTED_SETS,
        _KEYS,
        _FILL,
        _FILL,
        _FILL,
        _TRANSACTIONS,
    ),
}


_OTHERS: dict[str, tuple[str, ...]] = {
    "opening": (_OPENING,),
    "blocking": (_BLOCKING,),
    "pubsub": (_PUBSUB,),
}


def forms_of(family: str) -> list[Form]:
    """The forms of a family, of a crowd, or of the "opening" of every sequence."""
    texts = FAMILIES.get(family) or _OTHERS[family]
    return [Form(line) for text in texts for line in text.strip().splitlines()]
