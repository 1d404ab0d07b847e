"""Search Python's own documentation in two stages: start a server, index, ask, and stop the server.

`make demo` exports the two bundles that this needs. Everything is under .demo, and a second run reuses it.
"""

import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from demo import corpus, questions, report
from demo.questions import Places
from shortlist.bench import local
from shortlist.client import Client
from shortlist.console import colors, command_line, ending
from shortlist.console.progress import Steps

ROOT = Path(".demo")
COLLECTION = f"python-{sys.version_info.major}-{sys.version_info.minor}-{sys.version_info.micro}"
MODELS = ("--embedder", str(ROOT / "embedder"), "--reranker", str(ROOT / "reranker"), "--data", str(ROOT / "data"))
CANDIDATES = 50
_NEXT = """\
was: the place in stage one, by similarity; is: the place now, after stage two read it.
*: answers the question, as it was written down before any reranker was asked.
Ask your own:                make demo QUERY="..."
See what moved where:        make ui, which serves this collection with a page, and says where that is
See where reranking helps:   .venv/bin/python -m demo.judged
Serve your own documents:    README.md, "Run the server\""""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """The settings of the demo."""

    query: str = ""
    """a question of your own, instead of the demo's"""


def main() -> int:
    """Run the demo and return its exit code."""
    app = command_line.program("make demo", ["demo"], 'make demo QUERY="how do I copy a folder"', help=__doc__)
    command_line.add(app, DemoSettings, run)
    return ending.of("make demo", lambda: command_line.run(app, sys.argv[1:]))


def run(chosen: DemoSettings) -> int:
    """Index and search, and return the exit code."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        with Steps(sys.stderr) as steps:
            steps.say("starting a server with both models")
            address = stack.enter_context(local.serving(*MODELS, "--log-level", "warning"))
        index(address)
        asked = [chosen.query] if chosen.query else list(questions.ANSWERS)[: questions.ASKED]
        places = _search(address, asked)
    if places:
        print("\n" + "\n".join(questions.told(places)))
    print(f"\n{_NEXT}\n\n{time.monotonic() - began:.0f} s in all.")
    return 0


def index(address: str) -> None:
    """Index the corpus, unless the collection has all of it."""
    path = ROOT / f"{COLLECTION}.jsonl"
    if not path.exists():
        corpus.write(path)
    with path.open(encoding="utf-8") as stream, Client(address) as client:
        wanted = sum(1 for _ in stream)
        there = {collection.name: collection.documents for collection in client.list_collections()}
    if there.get(COLLECTION) == wanted:
        print(f"{wanted} documents on Python's standard library are indexed already")
        return
    print(f"indexing {wanted} documents: what Python's standard library says of itself")
    command = [local.SHORTLIST, "index", "--address", address, "--collection", COLLECTION, str(path)]
    subprocess.run(command, check=True)


def _search(address: str, queries: list[str]) -> list[Places]:
    """Ask and show; return where the answers are of questions whose answers are known."""
    places = []
    with Client(address) as client:
        for query in queries:
            answers = questions.ANSWERS.get(query, ())
            result = client.search(COLLECTION, query, top_k=CANDIDATES, candidates=CANDIDATES, mode="two-stage")
            print("\n".join(report.lines(query, result, answers, colored=colors.wanted(sys.stdout))))
            if answers:
                places.append(questions.places(result.hits, answers))
    return places


if __name__ == "__main__":
    sys.exit(main())
