"""Prove that nothing acknowledged is lost: kill -9 in the middle of an ingest, start again, compare.

    python tests/proofs/kill.py --embedder BUNDLE --reranker BUNDLE --rounds 20

Each round, writers upsert and delete documents as fast as they can until the server is killed at a random moment.
After the next start, every document must be as it was last acknowledged, or as the one call in flight would have made
it, with that call's documents all done or none; and a search must find exactly what is there. The suite runs a few
rounds.
"""

import argparse
import random
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shortlist.bench import local
from shortlist.client import Client, Document, ShortlistError

COLLECTION = "proof"
WRITERS = 4
BATCH = 8
IDS_A_WRITER = 60
PAGE = 500

State = dict[str, str | None]  # id -> text, None for deleted


@dataclass
class Writer:
    """A client that writes documents of its own ids, and remembers what was acknowledged."""

    number: int
    random: random.Random
    acknowledged: State = field(default_factory=dict)
    in_flight: State = field(default_factory=dict)  # what the call that was cut off would have done
    calls: int = 0

    def run(self, address: str) -> None:
        """Write until the server is gone."""
        with Client(address, timeout_s=10.0) as client:
            while True:
                names = self.random.sample(range(IDS_A_WRITER), BATCH)
                deleting = self.random.random() < 0.2
                self.calls += 1
                self.in_flight = {
                    f"{self.number}-{name}": None if deleting else f"writer {self.number} call {self.calls} of {name}"
                    for name in names
                }
                try:
                    self._call(client)
                except ShortlistError:
                    return
                self.acknowledged |= self.in_flight
                self.in_flight = {}

    def _call(self, client: Client) -> None:
        texts = {name: text for name, text in self.in_flight.items() if text is not None}
        if texts:
            client.upsert(COLLECTION, [Document(name, text) for name, text in texts.items()])
        else:
            client.delete(COLLECTION, self.in_flight)

    def settle(self, there: dict[str, str]) -> None:
        """Compare what the server holds with what was acknowledged, and go on from what it holds.

        Raises:
            AssertionError: a document is lost, resurrected or changed, or the call in flight was done by half.
        """
        before = {name: self.acknowledged.get(name) for name in self.in_flight}
        now = {name: there.get(name) for name in self.in_flight}
        assert now in (before, self.in_flight), f"half a call: {before} -> {now}, not {self.in_flight}"
        for name, text in self.acknowledged.items():
            if name not in self.in_flight:
                assert there.get(name) == text, f"{name} is {there.get(name)!r}, acknowledged was {text!r}"
        self.acknowledged |= now
        self.in_flight = {}


def prove(options: Sequence[str], rounds: int, seed: int) -> int:
    """Run the proof with `shortlist serve` options, and return the calls that were acknowledged.

    Raises:
        AssertionError: something was lost.
    """
    rng = random.Random(seed)
    writers = [Writer(number, random.Random(f"{seed} {number}")) for number in range(WRITERS)]
    with local.serving(*options) as address, Client(address) as client:
        client.create_collection(COLLECTION)
    for _ in range(rounds):
        with local.start(options) as process:
            address = local.address(process)
            _verify(address, writers)
            threads = [threading.Thread(target=writer.run, args=(address,)) for writer in writers]
            for thread in threads:
                thread.start()
            threads[0].join(timeout=rng.uniform(0.05, 1.0))
            process.kill()
            for thread in threads:
                thread.join()
    with local.serving(*options) as address:
        _verify(address, writers)
    return sum(writer.calls for writer in writers)


def _verify(address: str, writers: Sequence[Writer]) -> None:
    """Compare the whole collection, and what a search finds in it, with the writers' memory."""
    with Client(address) as client:
        there = {document.id: document.text for document in client.list(COLLECTION, page_size=PAGE)}
        for writer in writers:
            writer.settle({name: text for name, text in there.items() if name.startswith(f"{writer.number}-")})
        (collection,) = client.list_collections()
        assert collection.documents == len(there)
        if there:
            hits = client.search(COLLECTION, "anything", mode="dense", top_k=1000).hits
            assert {hit.id: hit.text for hit in hits} == there, "the index and the documents differ"


def main() -> int:
    """Run the long form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embedder", required=True, help="bundle of the dual encoder")
    parser.add_argument("--reranker", required=True, help="bundle of the cross-encoder")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:
        models = ("--embedder", arguments.embedder, "--reranker", arguments.reranker)
        calls = prove(
            [*models, "--data", str(Path(data)), "--log-level", "warning"], arguments.rounds, arguments.seed
        )
    print(f"{arguments.rounds} kills, {calls} calls: nothing acknowledged was lost, nothing is half there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
