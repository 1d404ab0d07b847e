"""`shortlist top`: what two readings of metrics come to, and the page that is made of them."""

import math

import pytest

from shortlist.cli import top
from shortlist.cli.main import main
from shortlist.cli.readings import Interval, Reading
from shortlist.console.errors import UsageError

START_S = 1000.0
HEAD = f"""\
shortlist_info{{version="0.1.0"}} 1
process_start_time_seconds {START_S}
process_resident_memory_bytes {512 * 2**20}
shortlist_slots 2
shortlist_slots_running 1
shortlist_queue_tokens 1000
shortlist_waiting_jobs{{lane="query"}} 3
shortlist_waiting_tokens{{lane="query"}} 100
shortlist_waiting_tokens{{lane="rerank"}} 150
shortlist_documents{{collection="notes"}} 12000
shortlist_vectors{{collection="notes"}} 11000
shortlist_disk_bytes{{collection="notes",part="documents"}} {2**20}
shortlist_disk_bytes{{collection="notes",part="words"}} {2**20}
"""
COUNTED = """\
# TYPE shortlist_request_seconds histogram
shortlist_requests_total{{face="grpc",method="Search",status="OK",collection="notes",key=""}} {well}
shortlist_requests_total{{face="grpc",method="Search",status="INTERNAL",collection="notes",key=""}} {failed}
shortlist_request_seconds_bucket{{face="grpc",method="Search",le="0.01"}} {fast}
shortlist_request_seconds_bucket{{face="grpc",method="Search",le="0.1"}} {all_}
shortlist_request_seconds_bucket{{face="grpc",method="Search",le="+Inf"}} {all_}
shortlist_request_seconds_count{{face="grpc",method="Search"}} {all_}
shortlist_stage_seconds_sum{{stage="queue"}} {queue_s}
shortlist_stage_seconds_count{{stage="queue"}} {all_}
shortlist_stage_seconds_bucket{{stage="queue",le="30"}} 0
shortlist_stage_seconds_bucket{{stage="queue",le="+Inf"}} {all_}
shortlist_slots_busy_seconds_total {busy_s}
shortlist_runs_expected_seconds_total {expected_s}
shortlist_tokens_total{{lane="rerank"}} {tokens}
shortlist_padded_tokens_total{{lane="rerank"}} {padded}
shortlist_runs_total{{lane="rerank"}} {all_}
"""


def reading(at_s: float, **counted: float) -> Reading:
    """Return what a server tells at a moment."""
    return Reading.of(HEAD + COUNTED.format(**counted), at_s)


OLD = reading(
    2000.0, well=100, failed=0, fast=50, all_=100, queue_s=1, busy_s=10, expected_s=10, tokens=1000, padded=1000
)
NEW = reading(
    2002.0, well=118, failed=2, fast=70, all_=120, queue_s=1.1, busy_s=11, expected_s=12, tokens=4000, padded=5000
)


def test_what_happened_between_two_readings():
    """Rates are of the time between; a counter that fell began again at nothing; what did not happen is no number."""
    seen = Interval(OLD, NEW)
    assert seen.rate("shortlist_requests_total", method="Search") == 10
    assert seen.rate("shortlist_requests_total", status="INTERNAL") == 1
    assert Interval(NEW, OLD).increase("shortlist_requests_total") == 100
    assert seen.ratio("shortlist_tokens_total", "shortlist_padded_tokens_total", lane="rerank") == 0.75
    assert seen.ratio("shortlist_tokens_total", "shortlist_padded_tokens_total", lane="query") is None
    times = "shortlist_request_seconds"
    assert [seen.quantile(times, share) for share in (0.5, 0.99)] == [0.01, 0.01]
    assert Interval(NEW.at_its_start(), NEW).quantile(times, 0.99) == 0.1
    assert Interval(NEW, NEW).quantile(times, 0.5) is None
    slow = Reading.of(f'# TYPE {times} histogram\n{times}_bucket{{le="1"}} 0\n{times}_count 1\n', 0)
    assert Interval(Reading(0), slow).quantile(times, 0.5) == math.inf


def test_the_page():
    """It has the queue, the slots, and a table each of lanes, calls, stages and collections."""
    lines = [" ".join(line.split()) for line in top.page(Interval(OLD, NEW), "http://a/metrics").splitlines()]
    assert lines[0] == "Shortlist 0.1.0 at http://a/metrics: up 16 min 42 s, 512 MB, 0.0 cores, over 2 s"
    assert lines[1] == "slots [|||||||||| ] 25% busy, 1 of 2 run now"
    assert lines[2] == "queue [|||||||||| ] 25%, 250 of 1,000 tokens wait"
    assert lines[3] == "runs were expected to take 2.00 times what they took; cache hits: vectors -, scores -"
    for row in (
        "query 3 100 0.0 0 -",
        "rerank 0 150 10.0 1,500 25%",
        "grpc Search 10.0 10.0% <10 <10",
        "queue 10.0 5.0 beyond",
        "notes 12,000 11,000 2.0 -",
    ):
        assert row in lines


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"metrics": "127.0.0.1:9464"}, "metrics: got '127.0.0.1:9464', but"),
        ({"every_s": 0.0}, "every_s: got 0, but"),
        ({"looks": -1}, "looks: got -1, but"),
    ],
)
def test_what_cannot_be_looked_at(settings: dict, said: str):
    """A setting that makes no sense is named with its value."""
    with pytest.raises(UsageError, match=f"^{said}"):
        top.TopSettings(**settings)


def test_a_server_that_is_not_there(capsys: pytest.CaptureFixture[str]):
    """One line that names the address and the remedy, and exit code 1."""
    assert main(["top", "--metrics", "http://127.0.0.1:1/metrics"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("shortlist top: no metrics at http://127.0.0.1:1/metrics: ")
    assert line.endswith("serve with --metrics-port 9464")
