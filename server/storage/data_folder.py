"""What lies where in the data folder, and what its collections say of their embedders.

data/
├── timings.json            how fast variants are on this machine (`variant_selection.py`)
├── lock                    held by the one server that uses the folder
└── collections/
├── NAME/               one collection (`collection.py`)
└── .new-*, .dropped-*  being made or dropped: removed at the next start
├── snapshots/              copies of collections (`snapshots.py`)
└── judgements/             what people said of answers (`judgements.py`)
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from . import database, generations
from .collection import DOCUMENTS
from .document import Origin
from .generations import Next

COLLECTIONS = "collections"
SNAPSHOTS = "snapshots"
JUDGEMENTS = "judgements"
UNFINISHED = (".new-", ".dropped-")  # how folders begin that are being made or dropped


class Recorded(NamedTuple):
    """What a collection's file says of the embedder that made its vectors, and of one that makes them anew."""

    name: str
    origin: Origin
    bundle: str  # where the embedder was loaded from; empty: it was the server's own
    coming: Next | None


def recorded(data: Path) -> list[Recorded]:
    """Return what the collections of a data folder say of their embedders; it need not be there.

    What cannot be read is left out: opening it will tell why.
    """
    found = []
    for name, facts in _facts(data):
        if "fingerprint" in facts:
            made_by, bundle = generations.origin(facts), facts.get("bundle", "")
            found.append(Recorded(name, made_by, bundle, generations.coming(facts)))
    return found


def token_fingerprints(data: Path) -> set[str]:
    """Return the fingerprints of the models that the collections' token vectors are of."""
    return {made_by for _, facts in _facts(data) if (made_by := facts.get("token_fingerprint"))}


def _facts(data: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Return each collection's name, and what its file says of itself."""
    for folder in sorted((data / COLLECTIONS).glob("[!.]*")):
        yield folder.name, database.facts(folder / DOCUMENTS)
