"""The Django worker example: two workers compete for the jobs of a producer that is faster."""

import re

import pytest

from support.examples import LAYERS, Program
from support.observe import info_number
from support.waiting import wait_until

JOBS = 100

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(params=LAYERS)
def layer(request):
    return request.param


def start(server, directory, layer, jobs):
    options = ("--layer", layer, "--jobs", str(jobs))
    return Program("django_worker", server.url(), directory, *options)


def results(log):
    """(worker, number) of each result, in the order of their arrival."""
    lines = [line for line in log.splitlines() if re.match(r"  [AB]\d", line)]
    found = re.findall(r"\b([AB])(\d+)\b", " ".join(lines))
    return [(worker, int(number)) for worker, number in found]


def times_full(log):
    return int(re.search(r"channel full: (\d+) times", log)[1])


def test_no_job_is_lost_though_the_channel_was_full(server, tmp_path, layer):
    example = start(server, tmp_path, layer, JOBS)
    example.end()
    done = results(example.log)
    assert {number for _, number in done} == set(range(1, JOBS + 1))
    assert {worker for worker, _ in done} == {"A", "B"}
    assert "The channel is full: job" in example.log
    assert times_full(example.log) > 0
    if layer == "chorale":  # channels_redis gives some jobs to both workers, on any broker
        assert len(done) == JOBS


@pytest.mark.chorale_only
def test_the_broker_has_counted_what_the_producer_reports(server, tmp_path):
    example = start(server, tmp_path, "chorale", JOBS)
    example.end()
    with server.connect() as client:
        reply = client.ok("LAYER.STATS", "asgi")
    stats = dict(zip(reply[::2], reply[1::2], strict=True))
    assert stats[b"sent"] == stats[b"received"] == 2 * JOBS  # jobs and results
    assert stats[b"full"] == times_full(example.log)
    assert stats[b"channel_messages"] == 0


def test_ctrl_c_ends_producer_and_workers(server, tmp_path, layer):
    example = start(server, tmp_path, layer, 1_000_000)
    example.wait_for("The channel is full")
    example.stop()
    with server.connect() as client:
        wait_until(lambda: info_number(client, "clients", "connected_clients") == 1)
