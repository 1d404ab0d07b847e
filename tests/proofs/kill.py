"""Prove that nothing acknowledged is lost: kill -9 in an ingest, damage what is derived, start again, compare.

    PYTHONPATH=tests python -m proofs.kill --embedder BUNDLE --reranker BUNDLE --late-interaction BUNDLE --rounds 100

Each round, writers upsert, update and delete documents as fast as they can until the server is killed at a random
moment. `shortlist verify` must then find the documents sound, and still so after the damage of the round
(`damage.py`). After the next start, every document must be as it was last acknowledged, or as the one call in flight
would have made it, with that call's documents all done or none; and a search must find exactly what is there.

With a late-interaction model, each document is written with its token vectors, those of another collection are made
anew in the background meanwhile, and at the end all must be those of their documents' texts, byte for byte.

At last the documents themselves are cut in half: a server must refuse to start on them, and the snapshot that was
taken before must bring everything back. The suite runs each kind of damage once.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proofs import damage, tokens
from shortlist.bench import local
from shortlist.client import Client, Document, ShortlistError, TokenPooling
from shortlist.server.storage import inspection

COLLECTION, OTHER = "proof", "other"
WRITERS = 4
BATCH = 8
OTHERS = 400
_POOLINGS: tuple[TokenPooling, ...] = ("by-two", "none")
IDS_A_WRITER = 60
PAGE = 500
WAIT_S = 60.0

Version = tuple[str, int]  # text and metadata
State = dict[str, Version | None]  # by id, None for deleted


@dataclass
class Writer:
    """A client that writes documents of its own ids, and remembers what was acknowledged."""

    number: int
    random: random.Random
    acknowledged: State = field(default_factory=dict)
    in_flight: State = field(default_factory=dict)  # what the call that was cut off would have done
    calls: Counter[str] = field(default_factory=Counter)
    begun: threading.Event = field(default_factory=threading.Event)  # a call was acknowledged since the start

    def run(self, address: str) -> None:
        """Write until the server is gone; the first call is an upsert."""
        with Client(address, timeout_s=10.0) as client:
            while True:
                kinds = ("upsert", "update", "delete") if self.begun.is_set() else ("upsert",)
                kind = self.random.choices(kinds, (5, 3, 2)[: len(kinds)])[0]
                self.in_flight = self._chosen(kind)
                if not self.in_flight:
                    continue
                self.calls[kind] += 1
                try:
                    self._call(client)
                except ShortlistError:
                    return
                self.acknowledged |= self.in_flight
                self.in_flight = {}
                self.begun.set()

    def _chosen(self, kind: str) -> State:
        """Return what a call of a kind is to make of some documents; an update leaves their texts."""
        call = self.calls.total() + 1
        names = [f"{self.number}-{name}" for name in self.random.sample(range(IDS_A_WRITER), BATCH)]
        match kind:
            case "upsert":
                return {name: (f"writer {self.number} call {call} of {name}", call) for name in names}
            case "update":
                there = {name: self.acknowledged.get(name) for name in names}
                return {name: (version[0], call) for name, version in there.items() if version}
            case _:
                return dict.fromkeys(names)

    def _call(self, client: Client) -> None:
        versions = {name: version for name, version in self.in_flight.items() if version}
        if versions:
            documents = [Document(name, text, metadata={"call": call}) for name, (text, call) in versions.items()]
            client.upsert(COLLECTION, documents)
        else:
            client.delete(COLLECTION, self.in_flight)

    def settle(self, there: dict[str, Version]) -> None:
        """Compare what the server holds with what was acknowledged, and go on from what it holds.

        Raises:
            AssertionError: a document is lost, resurrected or changed, or the call in flight was done by half.
        """
        before = {name: self.acknowledged.get(name) for name in self.in_flight}
        now = {name: there.get(name) for name in self.in_flight}
        assert now in (before, self.in_flight), f"half a call: {before} -> {now}, not {self.in_flight}"
        for name, version in self.acknowledged.items():
            if name not in self.in_flight:
                assert there.get(name) == version, f"{name} is {there.get(name)!r}, acknowledged was {version!r}"
        for name in there:
            assert name in self.acknowledged or name in self.in_flight, f"{name} was never written"
        self.acknowledged |= now
        self.in_flight = {}


@dataclass(frozen=True)
class Proved:
    """What a proof went through."""

    calls: Counter[str]  # acknowledged or in flight, by kind
    damages: Counter[str]
    own: int  # documents whose token vectors were found to be theirs
    cut: int  # kills in the middle of token vectors that were made anew


def prove(models: Sequence[str], data: Path, rounds: int, seed: int) -> Proved:
    """Run the proof with `shortlist serve` options for the models, in an empty data folder.

    Raises:
        AssertionError: something was lost.
    """
    options = [*models, "--data", str(data)]
    if late := "--late-interaction" in models:
        options += ["--token-pooling", "none"]
    folders = data / "collections" / COLLECTION, data / "collections" / OTHER
    rng = random.Random(seed)
    writers = [Writer(number, random.Random(f"{seed} {number}")) for number in range(WRITERS)]
    damages: Counter[str] = Counter()
    cut = 0
    with local.serving(*options) as address, Client(address) as client:
        for name in (COLLECTION, OTHER):
            client.create_collection(name)
        client.upsert(OTHER, [Document(str(number), f"other {number}") for number in range(OTHERS)])
    for number in range(rounds):
        _write_and_kill(options, writers, rng, _POOLINGS[number % 2] if late else None)
        cut += _assert_sound(data)
        kind = damage.KINDS[number % len(damage.KINDS)]
        kind.do(*folders, rng)
        damages[kind.name] += 1
        _assert_sound(data)
    with local.serving(*options) as address, Client(address) as client:
        _verify(address, writers)
        if late:
            tokens.wait_until_ready(client)
        client.create_snapshot("last")
    assert inspection.inspect(data).findings == (), "a clean stop leaves a folder that is not sound"
    _lose_documents(options, folders[0])
    with local.serving(*options) as address:
        _verify(address, writers)
    own = tokens.assert_own(models, data) if late else 0
    return Proved(sum((writer.calls for writer in writers), Counter()), damages, own, cut)


def _write_and_kill(
    options: Sequence[str],
    writers: Sequence[Writer],
    rng: random.Random,
    pooling: TokenPooling | None,
) -> None:
    """Start a server, compare, and kill it while all writers write, and while it makes such token vectors anew."""
    with local.start(options) as process:
        address = local.address(process)
        _verify(address, writers)
        threads = [threading.Thread(target=writer.run, args=(address,)) for writer in writers]
        for writer, thread in zip(writers, threads, strict=True):
            writer.begun.clear()
            thread.start()
        for writer in writers:
            assert writer.begun.wait(WAIT_S), "no upsert was acknowledged"
        if pooling is not None:
            with Client(address) as client:
                client.set_token_vectors(OTHER, pooling)
        threads[0].join(timeout=rng.uniform(0.05, 1.0))
        process.kill()
        for thread in threads:
            thread.join()


def _assert_sound(data: Path) -> bool:
    """Check that `shortlist verify` finds nothing that a start does not mend, and all that was written whole.

    Returns:
        Whether token vectors that are made anew are not all made.
    """
    found = inspection.inspect(data)
    assert found.worst in (None, "mended"), found
    lacking = [one for one in found.findings if "no token vectors" in one.what]
    assert not any(one.path.startswith(f"collections/{COLLECTION}/") for one in lacking), lacking
    return bool(lacking)


def _lose_documents(options: Sequence[str], folder: Path) -> None:
    """Cut the documents in half: no server starts on them; the last snapshot brings them back."""
    content = (folder / "documents.sqlite").read_bytes()
    (folder / "documents.sqlite").write_bytes(content[: len(content) // 2])
    assert inspection.inspect(folder.parent.parent).worst == "damaged"
    command = [local.SHORTLIST, "serve", *options, "--port", "0"]
    started = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert started.returncode == 2, started
    assert "documents.sqlite cannot be read as a collection" in started.stderr, started
    shutil.rmtree(folder)
    with local.serving(*options) as address, Client(address) as client:
        client.restore_snapshot("last", [COLLECTION])


def _verify(address: str, writers: Sequence[Writer]) -> None:
    """Compare the whole collection, and what a search finds in it, with the writers' memory."""
    with Client(address) as client:
        there = {one.id: _version(one) for one in client.list(COLLECTION, page_size=PAGE)}
        for writer in writers:
            own = f"{writer.number}-"
            writer.settle({name: version for name, version in there.items() if name.startswith(own)})
        counts = {one.name: one.documents for one in client.list_collections()}
        assert counts == {COLLECTION: len(there), OTHER: OTHERS}
        if there:
            for source in ("dense", "lexical"):  # each text has the word that is asked for
                hits = client.search(COLLECTION, "writer", 1000, mode="dense", candidates_from=source).hits
                assert {hit.id: _version(hit) for hit in hits} == there, (
                    f"the {source} index and the documents differ"
                )


def _version(one: Document | object) -> Version:
    return one.text, one.metadata["call"]  # type: ignore[attr-defined] # a document or a hit


def main() -> int:
    """Run the long form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embedder", required=True, help="bundle of the dual encoder")
    parser.add_argument("--reranker", required=True, help="bundle of the cross-encoder")
    parser.add_argument("--late-interaction", required=True, help="bundle of the late-interaction model")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    models = ["--embedder", arguments.embedder, "--reranker", arguments.reranker]
    models += ["--late-interaction", arguments.late_interaction, "--log-level", "error"]
    with tempfile.TemporaryDirectory() as data:
        proved = prove(models, Path(data), arguments.rounds, arguments.seed)
    print(f"{arguments.rounds} kills; calls: {dict(proved.calls)}; between kill and start: {dict(proved.damages)}")
    print(f"{proved.own} documents have the token vectors of their texts; kills while these were made: {proved.cut}")
    print("nothing acknowledged was lost, nothing is half there, and everything is found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
