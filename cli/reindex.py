"""`shortlist reindex`: a collection's vectors made anew by another embedder, while it is served."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from shortlist.client.reindexing import Reindex
from shortlist.console import command_line, output
from shortlist.console.connection import Connection
from shortlist.console.errors import UsageError
from shortlist.console.progress import Progress

_LOADING_S = 600.0  # a large model, and its variants timed where they never ran


@dataclass(frozen=True, slots=True, kw_only=True)
class ReindexSettings(Connection):
    """The settings of `shortlist reindex`."""

    embedder: Annotated[Path | None, Parameter(metavar="BUNDLE", show_default=False)] = None
    """bundle of the embedder, a folder on the server's machine; default: the one that makes the server's new
    collections"""
    variant: Annotated[str, Parameter(metavar="NAME", show_default=False)] = ""
    """which of its variants; default: the one that the server runs of it, else the fastest that passed its gate"""
    cancel: bool = False
    """end a reindex, and drop what it made"""
    timeout_s: Annotated[float, Parameter(metavar="S", group="Connection")] = _LOADING_S
    """seconds that each call to the server may take, the first of which loads the embedder"""
    json: bool = False
    """print the result as one JSON object"""


COMMAND = command_line.command(
    "reindex",
    """\
shortlist reindex notes --embedder bundles/e5
shortlist reindex notes --variant fp32
shortlist reindex notes --cancel""",
)


@COMMAND.default
def reindex(
    collection: Annotated[str, command_line.argument("the collection's name")],
    /,
    *,
    settings: Annotated[ReindexSettings, command_line.FLAT] = ReindexSettings(),
) -> int:
    """Change the embedder of a collection while it is served.

    The server makes the new vectors in the background, from the stored titles and texts; vectors that documents
    brought are made anew, too. Searches go on with the old ones. When all are made, the collection switches at once.
    What is written and deleted meanwhile is so before and after.

    The server goes on when this command ends early, and after a restart: run the command again to watch. What was
    made is kept until --cancel drops it.

    A bundle that a reindex brought is loaded at the next start from where it lies, so leave it there, or name it with
    `shortlist serve --other-embedders`. New collections are made with the server's --embedder: once all are of the
    new one, start the server with that.
    """
    if settings.cancel and (settings.embedder or settings.variant):
        raise UsageError("--cancel ends what goes on; leave --embedder and --variant out")
    with settings.client() as client:
        if settings.cancel:
            found = client.cancel_reindex(collection)
            output.write(output.as_json(found) if settings.json else _told(found))
            return 0
        bundle = str(settings.embedder.absolute()) if settings.embedder else ""
        begun = client.start_reindex(collection, bundle, settings.variant)
        with Progress(sys.stderr, "made", begun.documents - begun.made) as progress:
            found = client.reindex(
                collection, bundle, settings.variant, on_progress=lambda now: progress.update(now.made - begun.made)
            )
    output.write(output.as_json(found) if settings.json else _told(found))
    return 0


def _told(found: Reindex) -> str:
    documents = output.counted(found.documents, "document")
    if found.state == "cancelled":
        return f"cancelled: {found.collection} stays as it was, {documents}"
    return f"{found.collection} is of {found.embedder}: {documents}"
