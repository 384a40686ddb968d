"""The judges themselves: what they must find, and what a crash may do."""

from __future__ import annotations

import pytest

from .history import Counter, Crash, Log, Recovered, single, transaction, unknown_keys
from .messages import Mailbox, Queue
from .values import Entry, apply

KILLED = 100.0
ALWAYS = Crash(KILLED, 0.0)
EVERYSEC = Crash(KILLED, 1.0)
NOW = 1_000_000  # Unix milliseconds

# What a log of SET key 1 ... SET key 5 may look like after the crash: the third was acknowledged
# long ago, the fourth just now, the fifth never.
MAY_BE_THERE = {ALWAYS: (b"4", b"5"), EVERYSEC: (b"3", b"4", b"5")}


def recovered(**keys: object) -> Recovered:
    return Recovered(
        {
            name.encode(): value if isinstance(value, Entry) else Entry("string", value)
            for name, value in keys.items()
        },
        NOW,
        NOW + 5,
    )


def log_of_five(*names: bytes) -> Log:
    log = Log(names)
    for number in range(1, 6):
        log.send(transaction(*(("SET", name, b"%d" % number) for name in names)))
    for moment in (KILLED - 3, KILLED - 2, KILLED - 1.5, KILLED - 0.1):
        log.acknowledge(moment)
    return log


@pytest.mark.parametrize("crash", [ALWAYS, EVERYSEC])
@pytest.mark.parametrize("value", [b"1", b"2", b"3", b"4", b"5", b"6", b""])
def test_a_value_is_one_that_was_written_and_not_too_old(crash: Crash, value: bytes) -> None:
    problems = log_of_five(b"k").judge(crash, recovered(k=value))
    assert (problems == []) == (value in MAY_BE_THERE[crash])


@pytest.mark.parametrize("crash", [ALWAYS, EVERYSEC])
def test_a_missing_value_is_lost(crash: Crash) -> None:
    assert log_of_five(b"k").judge(crash, recovered())


def test_what_was_not_acknowledged_may_be_missing() -> None:
    log = Log((b"k",))
    log.send(single("SET", b"k", b"1"))
    assert log.judge(ALWAYS, recovered()) == []


@pytest.mark.parametrize("value", [b"3", b"5"])
def test_half_an_operation_is_found(value: bytes) -> None:
    assert log_of_five(b"k", b"l").judge(EVERYSEC, recovered(k=b"4", l=b"4")) == []
    assert log_of_five(b"k", b"l").judge(EVERYSEC, recovered(k=b"4", l=value))
    assert log_of_five(b"k", b"l").judge(EVERYSEC, recovered(k=b"4"))


def test_a_log_goes_on_from_what_was_recovered() -> None:
    log = log_of_five(b"k")
    assert log.judge(EVERYSEC, recovered(k=b"3")) == []
    assert log.judge(ALWAYS, recovered(k=b"3")) == []
    log.send(single("APPEND", b"k", b"+"))
    assert log.judge(ALWAYS, recovered(k=b"3+")) == []
    assert log.judge(ALWAYS, recovered(k=b"4"))


@pytest.mark.parametrize(
    ("found", "fine"),
    [
        (None, {"past"}),
        (Entry("string", b"v", NOW - 1), set()),
        (Entry("string", b"v", NOW + 1000), {"future"}),
        (Entry("string", b"v"), {"never"}),
    ],
)
@pytest.mark.parametrize("kind", ["past", "future", "never"])
def test_a_key_is_there_until_its_time(found: Entry | None, fine: set[str], kind: str) -> None:
    moment = {"past": NOW - 1, "future": NOW + 1000, "never": -1}[kind]
    log = Log((b"k",))
    log.send(single("SET", b"k", b"v", "PXAT", moment))
    log.acknowledge(KILLED - 2)
    problems = log.judge(ALWAYS, recovered(k=found) if found else recovered())
    assert (problems == []) == (kind in fine)


def test_a_counter_is_between_what_was_acknowledged_and_what_was_sent() -> None:
    for value in range(8):
        counter = Counter(b"k", sent=5)
        counter.acknowledge(2, KILLED - 2)
        counter.acknowledge(3, KILLED - 0.5)
        problems = counter.judge(EVERYSEC, recovered(k=b"%d" % value))
        assert (problems == []) == (2 <= value <= 5)


def test_a_row_that_nobody_wrote_is_found() -> None:
    assert unknown_keys(recovered(k=b"1"), [b"k", b"l"]) == []
    assert unknown_keys(recovered(k=b"1", x=b"1"), [b"k"]) == ["b'x' was never written"]


# ---- messages ----


def messages(*numbers: int) -> list[bytes]:
    return [b"s:%04d:" % number for number in numbers]


def queue_of_six() -> Queue:
    """1 was popped long ago, 2 just now; 3 is old, 4 new, 5 not acknowledged, 6 popped unseen."""
    queue = Queue(b"q")
    for message in messages(1, 2, 3, 4, 5):
        queue.push(message)
    for message, moment in zip(messages(1, 2, 3, 4), (90, 90, 90, 99.9), strict=True):
        queue.acknowledge(message, moment)
    queue.pop(messages(1)[0], 95)
    queue.pop(messages(2)[0], 99.9)
    return queue


@pytest.mark.parametrize(
    ("crash", "remaining", "fine"),
    [
        (ALWAYS, (3, 4), True),
        (ALWAYS, (3, 4, 5), True),
        (ALWAYS, (3,), False),
        (ALWAYS, (4,), False),
        (ALWAYS, (2, 3, 4), False),
        (EVERYSEC, (3,), True),
        (EVERYSEC, (2, 3, 4), True),
        (EVERYSEC, (3, 5), True),
        (EVERYSEC, (1, 3, 4), False),
        (EVERYSEC, (2, 4), False),
        (EVERYSEC, (3, 7), False),
        (EVERYSEC, (4, 3), False),
        (EVERYSEC, (3, 3), False),
    ],
)
def test_a_queue_has_what_was_pushed_and_not_popped(
    crash: Crash, remaining: tuple[int, ...], fine: bool
) -> None:
    assert (queue_of_six().judge(crash, messages(*remaining)) == []) == fine


def test_a_pop_whose_reply_is_missing_may_have_taken_a_message() -> None:
    queue = queue_of_six()
    queue.unanswered = 1
    assert queue.judge(ALWAYS, messages(4)) == []
    queue = queue_of_six()
    queue.unanswered = 1
    assert queue.judge(ALWAYS, [])


def test_a_message_that_is_over_never_comes_back() -> None:
    queue = queue_of_six()
    assert queue.judge(EVERYSEC, messages(3)) == []
    assert queue.judge(EVERYSEC, messages(3)) == []
    assert queue.judge(EVERYSEC, messages(3, 4))
    queue.pop(messages(4)[0], 99)
    assert queue.judge(EVERYSEC, messages())


def test_a_message_that_is_popped_twice_is_found() -> None:
    queue = queue_of_six()
    queue.pop(messages(1)[0], 99)
    assert queue.judge(EVERYSEC, messages(3))


def mailbox_of_four(keeps_epoch: bool = True) -> Mailbox:
    """1 was received long ago, 2 just now; 3 was not received; 4 not acknowledged."""
    mailbox = Mailbox(b"p!", keeps_epoch, epoch=7, number=2)
    for message in messages(1, 2, 3, 4):
        mailbox.send(message)
    for message in messages(1, 2, 3):
        mailbox.acknowledge(message, 98)
    mailbox.receive(messages(1)[0], 98.5)
    mailbox.receive(messages(2)[0], 99.9)
    return mailbox


@pytest.mark.parametrize(
    ("epoch", "number", "after", "fine"),
    [
        (7, 2, (3,), True),
        (7, 2, (3, 4), True),
        (7, 2, (), False),
        (7, 2, (2, 3), False),
        (7, 2, (4, 3), False),
        (7, 2, (3, 9), False),
        (7, 1, (3,), False),
        (8, 0, (3,), False),
    ],
)
def test_an_owner_that_resumes_gets_the_rest_once(
    epoch: int, number: int, after: tuple[int, ...], fine: bool
) -> None:
    mailbox = mailbox_of_four()
    mailbox.opened(epoch, number, ALWAYS)
    for message in messages(*after):
        mailbox.receive(message, 101)
    assert (mailbox.judge(ALWAYS) == []) == fine


@pytest.mark.parametrize(
    ("after", "fine"), [((3,), True), ((2, 3), True), ((3, 4), True), ((), False), ((1, 3), False)]
)
def test_a_new_epoch_repeats_at_most_what_the_crash_took(
    after: tuple[int, ...], fine: bool
) -> None:
    mailbox = mailbox_of_four(keeps_epoch=False)
    mailbox.opened(8, 0, EVERYSEC)
    for message in messages(*after):
        mailbox.receive(message, 101)
    assert (mailbox.judge(EVERYSEC) == []) == fine


# ---- the model of the commands ----


@pytest.mark.parametrize(
    ("commands", "content"),
    [
        ([("RPUSH", b"k", b"a", b"b"), ("LPUSH", b"k", b"c", b"d")], [b"d", b"c", b"a", b"b"]),
        ([("RPUSH", b"k", *b"abcde"), ("LTRIM", b"k", 1, -2)], [*b"bcd"]),
        ([("RPUSH", b"k", *b"abc"), ("LPOP", b"k", 2)], [*b"c"]),
        ([("RPUSH", b"k", *b"abc"), ("LMOVE", b"k", b"k", "LEFT", "RIGHT")], [*b"bca"]),
        ([("ZADD", b"k", 2, b"a"), ("ZINCRBY", b"k", -3, b"b")], {b"a": 2.0, b"b": -3.0}),
        ([("ZADD", b"k", 1, b"b"), ("ZADD", b"k", 1, b"a"), ("ZPOPMIN", b"k", 1)], {b"b": 1.0}),
        ([("HSET", b"k", b"f", b"v"), ("HDEL", b"k", b"f")], None),
        ([("SADD", b"k", b"a", b"b"), ("SREM", b"k", b"a")], {b"b"}),
        ([("SET", b"k", b"a"), ("APPEND", b"k", b"b")], b"ab"),
        ([("SET", b"l", b"a"), ("RENAME", b"l", b"k")], b"a"),
        ([("SET", b"l", b"a"), ("SET", b"k", b"b"), ("*SWAP", b"k", b"l")], b"a"),
        ([("SET", b"k", b"b"), ("*SWAP", b"l", b"k")], None),
    ],
)
def test_commands_change_the_model_as_they_change_a_broker(commands: list, content: object) -> None:
    keys: dict = {}
    for command in commands:
        apply(keys, command)
    assert (keys[b"k"].content if b"k" in keys else None) == content
