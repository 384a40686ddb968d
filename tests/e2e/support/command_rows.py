"""Calls of every command that show its limits: the table behind test_command_errors.py.

A row is a call as one would type it into redis-cli; `;` separates several calls on one connection.
The keys `string`, `number`, `list`, `hash`, `set`, `zset` hold what their names say, `missing`
holds nothing. From every row the test derives more: each key replaced by keys of other types, each
number by numbers that are none or too large. A row that starts with `!` stands for itself only;
`!` is for calls whose variations would stop or block the server. `=>` gives the expected reply
where the reference cannot, because redis-server 7.0 does not know the command or the option.
"""

from __future__ import annotations

STRINGS = """
SET missing v
SET string v EX 10
SET string v PX 10000
SET string v EXAT 4000000000
SET string v PXAT 4000000000000
SET string v KEEPTTL GET
SET string v NX GET
SET string v NX XX
SET string v EX 10 PX 10000
SET string v EX 10 KEEPTTL
SET string v EX
SET string v PX
SET string v EXAT
SET string v BOGUS
SET string v NX NX
SET string v XX XX GET GET
SET string v EX 9223372036854775
SET string v EX 9223372036854776
SET string v PX 9223372036854775807
SET string v EX 0
SET string v PX -5
SETNX missing v
SETEX string 10 v
SETEX string 9223372036854775 v
PSETEX string 10000 v
GET string
GETSET string v
GETDEL string
GETEX string
GETEX string EX 10
GETEX string PX 10000
GETEX string EXAT 4000000000
GETEX string PXAT 4000000000000
GETEX string PERSIST
GETEX string PERSIST EX 10
GETEX string EX 10 PX 10
GETEX string EX
GETEX string KEEPTTL
GETEX string NX
GETEX missing EX abc
APPEND string v
STRLEN string
SETRANGE string 1 v
SETRANGE missing 1 v
SETRANGE missing 0 ""
SETRANGE string 536870912 v
SETRANGE string 536870911 vv
SETRANGE missing -1 ""
GETRANGE string 0 1
GETRANGE string -3 -1
SUBSTR string 0 1
INCR number
DECR number
INCR string
DECR string
INCRBY number 5
DECRBY number 5
SET number 9223372036854775807 ; INCR number ; INCRBY number 1
SET number -9223372036854775808 ; DECR number ; DECRBY number 1
DECRBY number -9223372036854775808
INCRBYFLOAT number 1.5
INCRBYFLOAT number inf
INCRBYFLOAT number nan
INCRBYFLOAT string 1
SET number 1e308 ; INCRBYFLOAT number 1e308
MGET string missing
MSET string v number 1
MSET string
MSET string v number
MSETNX missing v other 1
MSETNX missing v other
LCS string number
LCS string number LEN
LCS string number IDX MINMATCHLEN 2 WITHMATCHLEN
LCS string number LEN IDX
LCS string number BOGUS
LCS string number MINMATCHLEN
SETBIT string 3 1
SETBIT string 3 2
SETBIT string 4294967296 1
SETBIT string -1 1
GETBIT string 3
GETBIT string 4294967296
BITCOUNT string
BITCOUNT string 0 -1
BITCOUNT string 0
BITCOUNT string 0 -1 BIT
BITCOUNT string 0 -1 BOGUS
BITPOS string 1
BITPOS string 2
BITPOS string 1 0
BITPOS string 1 0 -1
BITPOS string 1 0 -1 BIT
BITPOS string 1 0 -1 BOGUS
BITOP AND missing string number
BITOP NOT missing string
BITOP NOT missing string number
BITOP BOGUS missing string
BITFIELD string GET u8 0
BITFIELD string SET u8 0 255
BITFIELD string INCRBY u8 0 1 OVERFLOW SAT
BITFIELD string OVERFLOW BOGUS
BITFIELD string GET u64 0
BITFIELD string GET u8 abc
BITFIELD string BOGUS
BITFIELD_RO string GET u8 0
BITFIELD_RO string SET u8 0 1
"""

LISTS = """
LPUSH list a b
RPUSH list a b
LPUSHX list a b
RPUSHX list a b
LPOP list
LPOP list 2
LPOP list 0
LPOP missing -1
LPOP missing 1
RPOP list
RPOP list 2
LLEN list
LINDEX list 1
LINDEX list 100
LSET list 1 v
LSET list 100 v
LSET list -100 v
LSET missing 0 v
LRANGE list 0 -1
LRANGE missing a b
LTRIM list 0 1
LREM list 0 a
LINSERT list BEFORE a v
LINSERT list AFTER missing v
LINSERT list BOGUS a v
LPOS list a
LPOS list a RANK 1
LPOS list a RANK 0
LPOS list a COUNT 1
LPOS list a COUNT -1
LPOS list a MAXLEN 1
LPOS list a MAXLEN -1
LPOS list a RANK -9223372036854775808
LPOS list a RANK
LPOS list a BOGUS 1
LPOS missing a RANK 0
RPOPLPUSH list list
RPOPLPUSH list missing
LMOVE list list LEFT RIGHT
LMOVE list missing BOGUS RIGHT
LMOVE list missing LEFT BOGUS
LMPOP 1 list LEFT
LMPOP 2 missing list RIGHT COUNT 2
LMPOP 1 list BOGUS
LMPOP 1 list LEFT COUNT 0
LMPOP 1 list LEFT COUNT
! LMPOP 1 list LEFT COUNT 1 COUNT 1
LMPOP 1 list LEFT BOGUS
LMPOP 5 list LEFT
LMPOP 0 list LEFT
BLPOP list 1
BLPOP missing list 1
BLPOP list 0.5
BLPOP list nan
BLPOP list inf
BLPOP list 1e400
BLPOP list -0.1
BRPOP list 1
BRPOP missing list 1
BLMOVE list missing LEFT RIGHT 1
BLMOVE list missing LEFT BOGUS 1
BRPOPLPUSH list missing 1
BLMPOP 1 1 list LEFT
BLMPOP 1 2 missing list LEFT COUNT 2
BLMPOP 1 1 list BOGUS
BLMPOP 1 1 list LEFT COUNT 0
BLMPOP 1 5 list LEFT
SORT list ALPHA
SORT list
SORT list LIMIT 0 1 ALPHA
! SORT list BY w_* ALPHA
SORT list BOGUS
SORT list LIMIT 0
SORT list ALPHA STORE missing
SORT_RO list ALPHA
SORT_RO list ALPHA STORE missing
"""

HASHES = """
HSET hash f v
HSET hash f v g
HSET hash f v g w
HMSET hash f v
HMSET hash f v g
HSETNX hash f v
HGET hash f
HMGET hash f g
HDEL hash f g
HEXISTS hash f
HLEN hash
HSTRLEN hash f
HINCRBY hash n 5
HINCRBY hash f 5
HSET hash n 9223372036854775807 ; HINCRBY hash n 1
HSET hash n -9223372036854775808 ; HINCRBY hash n -1
HINCRBYFLOAT hash n 1.5
HINCRBYFLOAT hash n inf
HINCRBYFLOAT hash n nan
HINCRBYFLOAT hash f 1
HSET hash n 1e308 ; HINCRBYFLOAT hash n 1e308
HKEYS hash
HVALS hash
HGETALL hash
HRANDFIELD hash
HRANDFIELD hash 1
HRANDFIELD hash -1 WITHVALUES
HRANDFIELD hash 1 BOGUS
HRANDFIELD hash -9223372036854775808
HRANDFIELD hash 4611686018427387904 WITHVALUES
HSCAN hash 0
HSCAN hash 0 MATCH * COUNT 10
HSCAN hash 0 COUNT 0
HSCAN hash 0 COUNT
HSCAN hash 0 BOGUS
HSCAN hash 0 TYPE string
HSCAN missing abc
HSCAN hash 18446744073709551616
"""

SETS = """
SADD set a b
SREM set a b
SCARD set
SISMEMBER set a
SMISMEMBER set a b
SMEMBERS set
SMOVE set missing a
SMOVE set set a
SMOVE missing set a
SPOP set
SPOP set 1
SPOP set -1
SPOP missing 1
SRANDMEMBER set
SRANDMEMBER set 1
SRANDMEMBER set -2
SRANDMEMBER set -9223372036854775808
SRANDMEMBER set 1 2
SINTER set missing
SINTER missing set
SUNION set missing
SDIFF set missing
SDIFF missing set
SINTERSTORE missing set set
SUNIONSTORE missing set set
SDIFFSTORE missing set set
SINTERCARD 1 set
SINTERCARD 2 set missing LIMIT 1
SINTERCARD 2 set
SINTERCARD 0 set
SINTERCARD 1 set LIMIT -1
SINTERCARD 1 set LIMIT
SINTERCARD 1 set BOGUS 1
SSCAN set 0
SSCAN set 0 MATCH * COUNT 10
SSCAN set 0 COUNT 0
SSCAN set 0 BOGUS
SSCAN missing abc
"""

SORTED_SETS = """
ZADD zset 1 a 2 b
ZADD zset NX 1 a
ZADD zset XX CH 1 a
ZADD zset GT 1 a
ZADD zset LT CH 1 a
ZADD zset NX XX 1 a
ZADD zset GT LT 1 a
ZADD zset NX GT 1 a
ZADD zset INCR 1 a
ZADD zset INCR 1 a 2 b
ZADD zset INCR nan a
ZADD zset 1
ZADD zset 1 a 2
ZADD zset nan a
ZADD zset 1 a abc b
ZADD zset inf a -inf b
ZADD zset NX
ZADD zset NX CH
ZADD zset inf x ; ZINCRBY zset -inf x ; ZADD zset INCR -inf x
ZINCRBY zset 1 a
ZINCRBY zset nan a
ZREM zset a b
ZCARD zset
ZSCORE zset a
ZMSCORE zset a missing
ZRANK zset a
ZRANK zset missing
ZRANK zset a BOGUS
ZREVRANK zset a
ZREVRANK zset a BOGUS
ZCOUNT zset 1 2
ZCOUNT zset (1 (2
ZCOUNT zset -inf +inf
ZCOUNT zset ( 2
ZCOUNT zset nan 2
ZLEXCOUNT zset - +
ZLEXCOUNT zset [a (c
ZLEXCOUNT zset a c
ZLEXCOUNT zset [a c
ZRANGE zset 0 -1
ZRANGE zset 0 -1 WITHSCORES
ZRANGE zset 0 -1 REV
ZRANGE zset 1 2 BYSCORE
ZRANGE zset 2 1 BYSCORE REV LIMIT 0 1
ZRANGE zset - + BYLEX
ZRANGE zset 0 -1 LIMIT 0 1
ZRANGE zset - + BYLEX WITHSCORES
ZRANGE zset - + BYLEX BYSCORE
ZRANGE zset 0 -1 BOGUS
ZRANGE zset 1 2 BYSCORE LIMIT 0
ZRANGE zset (a (b BYSCORE
ZRANGE zset a b BYLEX
ZRANGESTORE missing zset 0 -1
ZRANGESTORE missing zset 1 2 BYSCORE LIMIT 0 1
ZRANGESTORE missing zset - + BYLEX
ZRANGESTORE missing zset 0 -1 WITHSCORES
ZRANGESTORE missing zset 0 -1 BOGUS
ZREVRANGE zset 0 -1
ZREVRANGE zset 0 -1 WITHSCORES
ZREVRANGE zset 0 -1 BOGUS
ZREVRANGE zset 0 -1 REV
ZRANGEBYSCORE zset 1 2
ZRANGEBYSCORE zset 1 2 WITHSCORES LIMIT 0 1
ZRANGEBYSCORE zset 1 2 LIMIT 0
ZRANGEBYSCORE zset 1 2 BOGUS
ZRANGEBYSCORE zset abc 2
ZREVRANGEBYSCORE zset 2 1
ZREVRANGEBYSCORE zset 2 1 WITHSCORES LIMIT 0 1
ZREVRANGEBYSCORE zset 2 abc
ZRANGEBYLEX zset - +
ZRANGEBYLEX zset [a (c LIMIT 0 1
ZRANGEBYLEX zset a c
ZRANGEBYLEX zset - + WITHSCORES
ZREVRANGEBYLEX zset + -
ZREVRANGEBYLEX zset + - LIMIT 0 1
ZREVRANGEBYLEX zset c a
ZREMRANGEBYSCORE zset 1 2
ZREMRANGEBYSCORE zset abc 2
ZREMRANGEBYRANK zset 0 1
ZREMRANGEBYLEX zset - +
ZREMRANGEBYLEX zset a c
ZPOPMIN zset
ZPOPMIN zset 2
ZPOPMIN zset -1
ZPOPMIN missing -1
ZPOPMIN zset 1 1
ZPOPMAX zset
ZPOPMAX zset 2
ZPOPMAX zset 1 1
ZMPOP 1 zset MIN
ZMPOP 2 missing zset MAX COUNT 2
ZMPOP 1 zset BOGUS
ZMPOP 1 zset MIN COUNT 0
ZMPOP 1 zset MIN COUNT
ZMPOP 1 zset MIN BOGUS
ZMPOP 5 zset MIN
BZPOPMIN zset 1
BZPOPMIN missing zset 1
BZPOPMIN zset nan
BZPOPMIN zset -1
BZPOPMAX zset 1
BZPOPMAX missing zset 1
BZMPOP 1 1 zset MIN
BZMPOP 1 2 missing zset MAX COUNT 2
BZMPOP 1 1 zset BOGUS
BZMPOP 1 1 zset MIN COUNT 0
BZMPOP 1 5 zset MIN
ZUNION 1 zset
ZUNION 2 zset set WEIGHTS 1 2 AGGREGATE SUM WITHSCORES
ZUNION 2 zset set WEIGHTS 1
ZUNION 2 zset set AGGREGATE BOGUS
ZUNION 2 zset
ZUNION 1 zset BOGUS
ZUNION 1 zset LIMIT 1
ZINTER 2 zset set
ZINTER 2 zset set WEIGHTS 1 2 AGGREGATE MAX WITHSCORES
ZINTER 2 zset set WEIGHTS nan 1
ZINTER 0 zset
ZDIFF 2 zset set
ZDIFF 2 zset set WITHSCORES
ZDIFF 2 zset set WEIGHTS 1 2
ZDIFF 0 zset
ZUNIONSTORE missing 2 zset set
ZUNIONSTORE missing 2 zset set WEIGHTS 1 2 AGGREGATE MIN
ZUNIONSTORE missing 2 zset set WITHSCORES
ZUNIONSTORE missing 0 zset
ZUNIONSTORE missing 5 zset
ZINTERSTORE missing 2 zset set
ZINTERSTORE missing 2 zset set WEIGHTS 1 2 AGGREGATE MIN
ZINTERSTORE missing 0 zset
ZDIFFSTORE missing 2 zset set
ZDIFFSTORE missing 2 zset set WEIGHTS 1 1
ZDIFFSTORE missing 0 zset
ZINTERCARD 1 zset
ZINTERCARD 2 zset set LIMIT 1
ZINTERCARD 1 zset LIMIT -1
ZINTERCARD 1 zset BOGUS
ZINTERCARD 0 zset
ZRANDMEMBER zset
ZRANDMEMBER zset 1
ZRANDMEMBER zset -1 WITHSCORES
ZRANDMEMBER zset 1 BOGUS
ZRANDMEMBER zset 4611686018427387904 WITHSCORES
ZSCAN zset 0
ZSCAN zset 0 MATCH * COUNT 10
ZSCAN zset 0 COUNT 0
ZSCAN zset 0 BOGUS
ZSCAN missing abc
"""

KEYS = """
DEL string missing
UNLINK string missing
EXISTS string missing string
TOUCH string missing
TYPE string
TYPE missing
TTL string
PTTL string
EXPIRETIME string
PEXPIRETIME string
PERSIST string
EXPIRE string 100
EXPIRE string 100 NX
EXPIRE string 100 GT
EXPIRE string 100 NX XX
EXPIRE string 100 GT LT
EXPIRE string 100 NX LT
EXPIRE string 100 BOGUS
EXPIRE string 9223372036854775
EXPIRE string 9223372036854776
EXPIRE string -9223372036854776
EXPIRE missing abc
EXPIRE string -1
PEXPIRE string 100000
PEXPIRE string 100000 XX
PEXPIRE string 9223372036854775807
PEXPIRE string 100000 BOGUS
EXPIREAT string 4000000000
EXPIREAT string 9223372036854775807
EXPIREAT string 4000000000 NX GT
PEXPIREAT string 4000000000000
PEXPIREAT string 9223372036854775807
PEXPIREAT string 4000000000000 BOGUS
RENAME string missing
RENAME missing string
RENAME string string
RENAMENX string missing
RENAMENX string list
RENAMENX missing string
COPY string missing
COPY string list
COPY string list REPLACE
COPY string missing DB 1
COPY string missing DB 1 REPLACE
COPY string string
COPY string string DB 1
COPY string missing DB 16
COPY string missing DB
COPY string missing BOGUS
MOVE string 1
MOVE string 0
MOVE string 16
MOVE string -1
KEYS *
KEYS nothing*
SCAN 0
SCAN 0 MATCH * COUNT 10 TYPE string
SCAN 0 COUNT 0
SCAN 0 COUNT
SCAN 0 TYPE bogus
SCAN 0 BOGUS 1
RANDOMKEY
DBSIZE
SELECT 1
SELECT 16
SELECT -1
SWAPDB 0 1
SWAPDB 0 16
SWAPDB abc 1
SWAPDB 0 abc
FLUSHDB
FLUSHDB ASYNC
FLUSHDB SYNC
FLUSHDB BOGUS
FLUSHDB ASYNC SYNC
FLUSHALL
FLUSHALL ASYNC
FLUSHALL BOGUS
OBJECT ENCODING string
OBJECT ENCODING missing
OBJECT REFCOUNT string
OBJECT IDLETIME string
OBJECT FREQ string
OBJECT HELP
OBJECT BOGUS string
OBJECT BOGUS
MEMORY USAGE string
MEMORY USAGE string SAMPLES 5
MEMORY USAGE string SAMPLES
MEMORY USAGE string BOGUS 1
MEMORY USAGE string SAMPLES bogus extra
MEMORY USAGE string SAMPLES 5 extra
MEMORY USAGE string SAMPLES 5 SAMPLES 6
MEMORY PURGE
MEMORY HELP
MEMORY BOGUS
"""

TRANSACTIONS = """
MULTI
MULTI ; MULTI ; EXEC
MULTI ; WATCH string ; EXEC
MULTI ; BOGUS ; SET string v ; EXEC
MULTI ; GET ; EXEC
MULTI ; SUBSCRIBE c ; DISCARD
MULTI ; INCR string ; LPUSH string x ; SET string v ; EXEC
MULTI ; HELLO 3 ; DISCARD
MULTI ; SELECT 99 ; SELECT 1 ; EXEC
MULTI x
EXEC
EXEC x
DISCARD
MULTI ; DISCARD ; EXEC
WATCH string missing
WATCH
UNWATCH
MULTI ; UNWATCH ; EXEC
"""

SCRIPTS = """
EVAL "return 1" 0
EVAL "return KEYS[1]" 1 string
EVAL "return redis.call('GET', KEYS[1])" 1 string
EVAL "return redis.call('INCR', KEYS[1])" 1 string
EVAL "return 1" 2 string
EVAL "return 1" -1
EVAL "return (" 0
EVAL_RO "return redis.call('GET', KEYS[1])" 1 string
EVAL_RO "return redis.call('SET', KEYS[1], 1)" 1 string
EVAL_RO "return 1" 5
EVALSHA 0000000000000000000000000000000000000000 0
EVALSHA abc 0
EVALSHA abc 5
EVALSHA_RO 0000000000000000000000000000000000000000 0
SCRIPT LOAD "return 1"
SCRIPT LOAD "return ("
SCRIPT EXISTS abc
SCRIPT FLUSH
SCRIPT FLUSH ASYNC
SCRIPT FLUSH BOGUS
SCRIPT KILL
SCRIPT DEBUG NO
SCRIPT DEBUG BOGUS
SCRIPT HELP
SCRIPT BOGUS
"""

PUBSUB = """
PUBLISH channel message
SPUBLISH channel message
SUBSCRIBE channel
SUBSCRIBE channel ; GET string
SUBSCRIBE channel ; PING
SUBSCRIBE channel ; PING text
SUBSCRIBE channel ; MULTI
SUBSCRIBE channel ; PUBLISH channel message
UNSUBSCRIBE
UNSUBSCRIBE channel
PSUBSCRIBE pattern
PSUBSCRIBE pattern ; GET string
PUNSUBSCRIBE
PUNSUBSCRIBE pattern
SSUBSCRIBE channel
SSUBSCRIBE channel ; SET string v
SUNSUBSCRIBE
SUNSUBSCRIBE channel
PUBSUB CHANNELS
PUBSUB CHANNELS *
PUBSUB NUMSUB
PUBSUB NUMSUB channel
PUBSUB NUMPAT
PUBSUB SHARDCHANNELS
PUBSUB SHARDNUMSUB channel
PUBSUB HELP
PUBSUB BOGUS
"""

CONNECTION = """
PING
PING text
PING a b
ECHO text
QUIT
AUTH password
AUTH default password
AUTH nobody password
AUTH a b c
HELLO
HELLO 2
HELLO 3
HELLO 1
HELLO 4
HELLO abc
HELLO 3 AUTH default wrong
HELLO 3 AUTH default
HELLO 3 SETNAME
HELLO 3 SETNAME "a b"
HELLO 3 BOGUS
RESET
CLIENT ID
CLIENT GETNAME
CLIENT SETNAME name
CLIENT SETNAME "with space"
CLIENT SETNAME ""
CLIENT INFO
CLIENT LIST TYPE bogus
CLIENT LIST TYPE
CLIENT LIST ID
CLIENT LIST ID abc
CLIENT LIST BOGUS
CLIENT KILL 1.2.3.4:5
CLIENT KILL ID 999999
CLIENT KILL TYPE bogus
CLIENT KILL ADDR
CLIENT KILL BOGUS 1
CLIENT KILL ID 999999 BOGUS
CLIENT KILL USER nobody
CLIENT KILL SKIPME maybe
CLIENT KILL ID 999999 LADDR 1.2.3.4:5 SKIPME yes
CLIENT NO-EVICT ON ; CLIENT NO-EVICT OFF
CLIENT NO-EVICT BOGUS
CLIENT REPLY ON
CLIENT REPLY BOGUS
! CLIENT PAUSE abc
! CLIENT PAUSE -1
! CLIENT PAUSE 1 BOGUS
! CLIENT PAUSE 0
! CLIENT PAUSE
CLIENT UNPAUSE
CLIENT UNBLOCK 999999
CLIENT UNBLOCK 999999 TIMEOUT
CLIENT UNBLOCK 999999 BOGUS
CLIENT HELP
CLIENT BOGUS
CLIENT TRACKING
CLIENT TRACKING OFF
CLIENT TRACKING BOGUS
CLIENT TRACKINGINFO
CLIENT GETREDIR
CLIENT CACHING YES
CLIENT CACHING BOGUS
"""

# What redis-server 7.0 does not know or, where Chorale refuses on purpose, answers otherwise.
CONNECTION_SINCE_7_2 = """
CLIENT SETINFO LIB-NAME redis-py => OK
CLIENT SETINFO LIB-VER 8.1.0 => OK
CLIENT SETINFO LIB-NAME "with space" => ERR lib-name cannot contain spaces, newlines or special *
CLIENT SETINFO BOGUS x => ERR Unrecognized option 'BOGUS'
CLIENT NO-TOUCH ON => OK
CLIENT NO-TOUCH OFF => OK
CLIENT NO-TOUCH BOGUS => ERR syntax error
CLIENT TRACKING ON => ERR *
CLIENT MAINT_NOTIFICATIONS ON => *
ZRANK zset a WITHSCORE => *
ZRANK zset a BOGUS => ERR syntax error
HSCAN hash 0 NOVALUES => *
"""

SERVER = """
COMMAND COUNT x
COMMAND LIST FILTERBY BOGUS x
COMMAND LIST FILTERBY MODULE nothing
COMMAND LIST BOGUS
COMMAND INFO bogus
COMMAND DOCS bogus
COMMAND GETKEYS GET string
! COMMAND GETKEYS MSET a 1 b 2
! COMMAND GETKEYS EVAL script 2 a b c
! COMMAND GETKEYS ZUNIONSTORE d 2 a b
! COMMAND GETKEYS BLMPOP 0 2 a b LEFT
! COMMAND GETKEYS LMPOP 2 a b LEFT
! COMMAND GETKEYS SINTERCARD 2 a b
COMMAND GETKEYS BITOP AND d a b
! COMMAND GETKEYS BLPOP a b 0
COMMAND GETKEYS COPY a b
COMMAND GETKEYS RENAME a b
COMMAND GETKEYS OBJECT ENCODING a
COMMAND GETKEYS MEMORY USAGE a
! COMMAND GETKEYS ZADD z 1 a
COMMAND GETKEYS PING
COMMAND GETKEYS BOGUS
COMMAND GETKEYS GET
! COMMAND GETKEYS EVAL script 0
COMMAND GETKEYSANDFLAGS SET a v
COMMAND HELP
COMMAND BOGUS
CONFIG GET nosuchoption
CONFIG GET
CONFIG SET nosuchoption 1
CONFIG SET databases 1
CONFIG SET timeout abc
CONFIG SET slowlog-log-slower-than abc
CONFIG SET timeout 0 timeout 0
CONFIG SET timeout
CONFIG RESETSTAT
CONFIG RESETSTAT x
CONFIG REWRITE
CONFIG HELP
CONFIG BOGUS
INFO nosuchsection
SLOWLOG LEN
SLOWLOG RESET
SLOWLOG RESET ; SLOWLOG GET 10
SLOWLOG GET -2
SLOWLOG HELP
SLOWLOG BOGUS
LATENCY LATEST
LATENCY RESET
LATENCY HISTORY command
LATENCY GRAPH command
LATENCY HELP
LATENCY HISTOGRAM nosuch
LATENCY BOGUS
TIME
TIME x
LASTSAVE
LASTSAVE x
ROLE
ROLE x
! WAIT 0 10
! WAIT abc 10
! WAIT 0 abc
! WAIT 1 10
! WAIT 1 abc
! WAIT 0 -1
ACL WHOAMI
ACL LIST
ACL USERS
ACL CAT bogus
ACL HELP
ACL BOGUS
ACL GENPASS
ACL GENPASS 5
ACL GENPASS 4096
ACL GENPASS 4097
ACL GENPASS 5 5
ACL LOG RESET ; ACL LOG
ACL LOG RESET ; ACL LOG 5
ACL LOG RESET x
READONLY
READWRITE
ASKING
CLUSTER INFO
CLUSTER NODES
CLUSTER SLOTS
CLUSTER SHARDS
CLUSTER MYID
CLUSTER KEYSLOT key
CLUSTER COUNTKEYSINSLOT 5
CLUSTER GETKEYSINSLOT 5 1
CLUSTER BOGUS
REPLICAOF NO ONE
SLAVEOF NO ONE
! SHUTDOWN BOGUS
! SHUTDOWN SAVE NOSAVE
! SHUTDOWN ABORT
! SHUTDOWN NOSAVE BOGUS
! DEBUG
! DEBUG SLEEP 0
! DEBUG BOGUS
! MONITOR x
"""

# Redis has these; Chorale says what it does not have, or answers in its own words.
OWN_WORDS = """
COMMAND COUNT => *
CONFIG SET timeout -1 => ERR CONFIG SET failed (possibly *'timeout') - argument must be between 0 *
ACL GETUSER default => ERR ACL users are not supported*
ACL SETUSER bob on => ERR ACL users are not supported*
ACL DELUSER nobody => ERR ACL users are not supported*
SAVE => ERR Persistence is off*
BGSAVE => ERR Persistence is off*
CHECKPOINT => ERR wrong number of arguments*
CHECKPOINT copy => ERR Persistence is off*
BGREWRITEAOF => ERR Persistence is off*
REPLICAOF 127.0.0.1 6379 => ERR Replication is not supported*
SLAVEOF 127.0.0.1 6379 => ERR Replication is not supported*
CLUSTER HELP => *CLUSTER <subcommand>*
LATENCY DOCTOR => *latency-monitor-threshold*
MEMORY DOCTOR => *
MEMORY MALLOC-STATS => *
MEMORY STATS => *total.allocated*
WAITAOF 0 0 0 => [[]0, 0]
WAITAOF abc 0 0 => ERR value is not an integer or out of range
WAITAOF 0 0 -1 => ERR timeout is negative
"""

# More of the native commands, which redis-server does not have, is in test_layers.py.
LAYERS = """
LAYER.SET asgi => OK
LAYER.SET asgi CAPACITY 0 => ERR capacity is not an integer above 0
LAYER.SET asgi EXPIRY nan => ERR EXPIRY is not a number of seconds above 0*
LAYER.SET asgi BOGUS 1 => ERR syntax error
LAYER.GET '' => ERR invalid layer name*
LAYER.STATS '' => ERR invalid layer name*
LAYER.LIST asgi => ERR wrong number of arguments for 'layer.list' command
LAYER.FLUSH asgi => OK
CHANNEL.SEND asgi a!b!c m => ERR invalid channel name*
CHANNEL.SEND asgi work m CAPACITY 0 => ERR capacity is not an integer above 0
CHANNEL.RECEIVE asgi p.x!a => ERR a process-specific channel is received by MAILBOX.OPEN
CHANNEL.LEN asgi a!b!c => ERR invalid channel name*
MAILBOX.OPEN asgi p.x! => ERR MAILBOX.OPEN needs RESP3*
MAILBOX.OPEN asgi p.x => ERR invalid mailbox name*
MAILBOX.ACK asgi p.x! 0 0 => NOMAILBOX*
MAILBOX.CLOSE asgi p.x! => NOMAILBOX*
GROUP.ADD asgi a!b c => ERR invalid group name*
GROUP.DISCARD asgi a!b c => ERR invalid group name*
GROUP.SEND asgi a!b m => ERR invalid group name*
GROUP.MEMBERS asgi a!b => ERR invalid group name*
GROUP.COUNT asgi a!b => ERR invalid group name*
GROUP.LIST asgi MATCH => ERR syntax error
"""

FAMILIES = {
    "strings": STRINGS,
    "lists": LISTS,
    "hashes": HASHES,
    "sets": SETS,
    "sorted sets": SORTED_SETS,
    "keys": KEYS,
    "transactions": TRANSACTIONS,
    "scripts": SCRIPTS,
    "pub/sub": PUBSUB,
    "connection": CONNECTION,
    "connection since 7.2": CONNECTION_SINCE_7_2,
    "server": SERVER,
    "own words": OWN_WORDS,
    "layers": LAYERS,
}
