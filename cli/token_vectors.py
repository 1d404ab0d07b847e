"""`shortlist token-vectors`: which token vectors a collection has, changed while it is served."""

import sys
import time
from dataclasses import dataclass
from typing import Annotated

from shortlist.client import Client, NotFound
from shortlist.client.token_vectors import TokenPooling
from shortlist.client.types import Collection
from shortlist.console import command_line, output
from shortlist.console.connection import Connection
from shortlist.console.progress import Progress

from . import collections

_ASKED_EVERY_S = 0.25
_READY, _UNUSABLE = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenVectorsSettings(Connection):
    """The settings of `shortlist token-vectors`."""

    wait: bool = True
    """watch until searches use them; --no-wait leaves that to the server"""
    json: bool = False
    """print the collection as one JSON object"""


COMMAND = command_line.command(
    "token-vectors",
    """\
shortlist token-vectors notes by-two
shortlist token-vectors notes none --no-wait
shortlist token-vectors notes no-vectors""",
)


@COMMAND.default
def run(
    collection: Annotated[str, command_line.argument("the collection's name")],
    pooling: Annotated[TokenPooling, command_line.argument("which vectors each document is to have")],
    /,
    *,
    settings: Annotated[TokenVectorsSettings, command_line.FLAT] = TokenVectorsSettings(),
) -> int:
    """Set which token vectors a collection has.

    They are vectors of documents' tokens, for late interaction. none has one for each token; by-two one for two that
    are alike, in half of the disk; no-vectors has none, and drops what is there. The server makes them in the
    background from the stored titles and texts, with the model of its --late-interaction; searches use them once all
    are made. It goes on when this command ends early, and after a restart: run the command again to watch. The exit
    code is 1 if they cannot be made.
    """
    with settings.client() as client:
        found = client.set_token_vectors(collection, pooling)
        if settings.wait:
            found = _made(client, found)
    output.write(output.as_json(found) if settings.json else _told(found))
    return _UNUSABLE if found.token_vectors.state == "unusable" else _READY


def _made(client: Client, begun: Collection) -> Collection:
    """Return a collection as it is once its token vectors are no longer being made, and show how far that is."""
    now, there = begun, begun.token_vectors.documents
    with Progress(sys.stderr, "made", begun.documents - there) as progress:
        while now.token_vectors.state == "making":
            progress.update(now.token_vectors.documents - there)
            time.sleep(_ASKED_EVERY_S)
            now = next((one for one in client.list_collections() if one.name == begun.name), None) or _gone(begun)
        progress.update(now.token_vectors.documents - there)
    return now


def _gone(begun: Collection) -> Collection:
    raise NotFound(f"{begun.name}: the collection was dropped while its token vectors were made")


def _told(found: Collection) -> str:
    fault = f": {found.token_vectors.fault}" if found.token_vectors.fault else ""
    return f"token vectors of {found.name}: {collections.token_vectors(found.token_vectors)}{fault}"
