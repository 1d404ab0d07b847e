"""The comparison with peers: what is asked, how it is arranged and counted, and what is told of it."""

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest

from parsed import parsed
from shortlist.bench.candidates import Candidates
from shortlist.bench.studies.peers import agreement, report
from shortlist.bench.studies.peers.agreement import Agreement, Answers
from shortlist.bench.studies.peers.infinity import Infinity
from shortlist.bench.studies.peers.peer import PeersError
from shortlist.bench.studies.peers.process import Process
from shortlist.bench.studies.peers.questions import Collection, Questions
from shortlist.bench.studies.peers.report import Report
from shortlist.bench.studies.peers.rounds import WORKLOADS, Row, Workload, measure
from shortlist.bench.studies.peers.settings import PeersSettings
from shortlist.bench.studies.peers.turns import Turn, closed_loop
from shortlist.client import Document
from shortlist.console.errors import UsageError
from shortlist.server.errors import SettingsError

GIVEN = {name: Path(name) for name in ("embedder", "reranker", "candidates", "collection")}
MODELS = {"embedder_model": "e", "reranker_model": "r"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rounds": 0}, r'Invalid value "0" for --rounds\. Must be 1 or more\.'),
        ({"seconds": float("nan")}, 'Invalid value for --seconds: unable to convert "nan" into float'),
        ({"documents": 10}, "documents is 10, but a search takes 50 candidates"),
        ({"only": ("triton",)}, "only names 'triton', but there are infinity, torch"),
        ({"loads": ("delete",)}, "loads names 'delete', but there are rerank"),
        ({"loads": ()}, "loads is empty"),
    ],
)
def test_settings_that_measure_nothing_are_refused(changes, told):
    """A value outside its limits is named, with the limit."""
    with pytest.raises((UsageError, SettingsError), match=told):
        parsed(PeersSettings, **GIVEN | MODELS | changes)


async def test_a_closed_loop_waits_for_every_answer():
    """Each client has one request under way, and what it had sent when the time was over counts too."""
    under_way = most = 0
    sent = iter(range(1000))

    async def ask(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return 10

    turn = await closed_loop(ask, sent, clients=3, seconds=0.001)
    assert most == 3
    assert under_way == 0
    assert len(turn.latencies_s) == next(sent)
    assert turn.items == 10 * len(turn.latencies_s)


async def test_a_closed_loop_ends_with_the_first_error():
    """A request that fails ends the turn, with its own error."""

    async def ask(number: int) -> int:
        raise PeersError(f"request {number} failed")

    with pytest.raises(PeersError, match="request 0 failed"):
        await closed_loop(ask, iter(range(1000)), clients=3, seconds=1.0)


class Counting:
    """A participant that notes its turns."""

    graph = "none"

    def __init__(self, name: str, kind: str, turns: list[tuple[str, Workload, int]]) -> None:
        """Share the list of turns with others."""
        self.name, self._kind, self._turns = name, kind, turns

    def takes(self, load: Workload) -> bool:
        """Take loads of one kind."""
        return load.kind == self._kind

    async def turn(self, load: Workload, turn: int, seconds: float) -> Turn:
        self._turns.append((self.name, load, turn))
        return Turn((0.1,), 1, 0.1)


async def test_participants_take_turns():
    """Each round begins with another one, all get the same texts, and nobody gets a load that is not theirs."""
    turns: list[tuple[str, Workload, int]] = []
    some = [Counting(name, "rerank", turns) for name in ("a", "b")] + [Counting("c", "embed", turns)]
    rows = await measure(some, WORKLOADS[:1], 2, 1.0, lambda _: None)
    assert turns == [
        ("a", WORKLOADS[0], 0),
        ("b", WORKLOADS[0], 0),
        ("b", WORKLOADS[0], len(WORKLOADS)),
        ("a", WORKLOADS[0], len(WORKLOADS)),
    ]
    assert [(row.name, len(row.turns)) for row in rows] == [("a", 2), ("b", 2)]


def test_turns_have_other_texts():
    """Two turns begin elsewhere in the texts, and go on without an end."""
    texts = Questions(
        [Candidates(f"query {number}", ("a",)) for number in range(5)],
        Collection([Document("1", "a")], ["q"], [f"text {number}" for number in range(10)]),
        1,
    )
    first, second = texts.embed(0), texts.embed(1)
    assert [next(first) for _ in range(11)][-1] == "text 0"
    assert next(second) == "text 7"
    assert next(texts.rerank(1)).query == "query 2"


def test_another_computation_is_refused():
    """A peer whose order is another, or whose vectors point elsewhere, is not measured; rounding is let pass."""
    scores, vectors = np.linspace(0, 1, 20, dtype=np.float32), np.eye(4, dtype=np.float32)
    wanted = Answers((scores,), vectors)
    near = agreement.compare("peer", Answers((scores + np.float32(1e-6),), vectors), wanted, same_graph=True)
    assert near.tau == 1
    assert near.score_change < 1e-5
    swapped = scores.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    assert agreement.compare("peer", Answers((swapped,), vectors), wanted, same_graph=False).tau > 0.98
    with pytest.raises(PeersError, match=r"peer computes something else.* 0\.989 \(at least 0\.99\)"):
        agreement.compare("peer", Answers((swapped,), vectors), wanted, same_graph=True)
    with pytest.raises(PeersError, match=r"cosine of a vector 0\.000"):
        agreement.compare("peer", Answers((scores,), np.roll(vectors, 1, axis=0)), wanted, same_graph=False)
    with pytest.raises(PeersError, match="cosine of a vector nan"):
        agreement.compare("peer", Answers((scores,), np.nan * vectors), wanted, same_graph=False)


def outcome() -> Report:
    """Return a report with round numbers."""
    alone, together = Workload("rerank", 1), Workload("rerank", 8)
    rows = [
        Row(alone, "Shortlist", "g", (Turn((0.2, 0.4), 100, 1.0), Turn((0.3,), 120, 1.0))),
        Row(alone, "offline: one a run", "g", (Turn((0.2,), 120, 1.0), Turn((0.25,), 120, 1.0))),
        Row(together, "Shortlist", "g", (Turn((1.0,), 90, 1.0), Turn((1.0,), 96, 1.0))),
        Row(together, "infinity", "g", (Turn((3.0,), 30, 1.0), Turn((3.0,), 48, 1.0))),
        Row(together, "offline: batches of 32", "g", (Turn((), 40, 1.0), Turn((), 40, 1.0))),
        Row(together, "offline: one a run", "g", (Turn((), 100, 1.0), Turn((), 100, 1.0))),
    ]
    found = {"infinity": Agreement(1.0, 0.0, 0.9999)}
    versions = {"Shortlist": "shortlist 1", "infinity": "infinity 2"}
    return Report("2 cores", 50, 2, 5.0, rows, versions, found, {"X": "make x makes it"})


def test_tables_tell_medians_and_ratios():
    """Rates are medians with their range, ratios are taken round by round, and who is left out is named."""
    lines = report.markdown(outcome()).splitlines()
    assert "| Shortlist | g | 110.0 (100.0 to 120.0) | 1.00 | 250.0 | 400.0 | 400.0 | 3 |" in lines
    assert "| infinity | g | 39.0 (30.0 to 48.0) | 0.42 | 3000.0 | 3000.0 | 3000.0 | 2 |" in lines
    assert "| offline: one a run | g | 100.0 (100.0 to 100.0) | 1.08 |  |  |  |  |" in lines
    assert "| infinity | infinity 2 | 1.000 | 0e+00 | 0.9999 |" in lines
    assert "Left out: X: make x makes it." in lines


def test_targets_are_held_against_the_best_loop():
    """The fastest arrangement is the ideal; what misses its aim says so."""
    found = {one.aim: one for one in report.targets(outcome().rows)}
    assert found["at least 0.95"].name.endswith("of offline: one a run")
    assert found["at least 0.95"].found.median == pytest.approx(0.93)
    assert not found["at least 0.95"].met
    assert found["at most 1.08"].found.median == pytest.approx((0.2 / 0.2 + 0.3 / 0.25) / 2)
    assert not found["at most 1.08"].met
    assert found["at least 2.0"].found.median == pytest.approx((3.0 + 2.0) / 2)
    assert found["at least 2.0"].met


def test_the_json_has_it_all():
    """The line of JSON has every row, target and version."""
    told = report.plain(outcome())
    assert len(told["rows"]) == 6
    assert told["rows"][0]["latency_ms"] == {"p50": 250.0, "p95": 400.0, "p99": 400.0}
    assert told["versions"]["infinity"] == "infinity 2"
    assert [one["met"] for one in told["targets"]] == [False, False, True]


def test_a_missing_environment_names_its_target(tmp_path):
    """Where infinity is not installed, the way to get it is told."""
    assert Infinity(tmp_path / "python").missing().endswith("`make .venv-peers/.infinity` makes it")
    assert Infinity(Path(sys.executable)).missing() == ""


async def test_a_process_that_ends_is_explained():
    """What a peer said last is in the error, from both of its outputs."""
    code = "import sys; print('loading', flush=True); print('no such model', file=sys.stderr); sys.exit(3)"
    process = await Process.start([sys.executable, "-c", code], {})
    assert await process.read() == "loading"
    with pytest.raises(PeersError, match=r"exit code 3.*no such model"):
        await process.read()
    await process.stop()


async def test_a_process_that_hangs_is_explained():
    """A peer that says nothing is not waited for without an end."""
    process = await Process.start([sys.executable, "-c", "input()"], {})
    with pytest.raises(PeersError, match=r"nothing came for 0\.01 s"):
        await process.read(timeout_s=0.01)
    await process.stop()
