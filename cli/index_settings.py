"""What can be set about `shortlist index`: one definition for flag, environment variable and TOML key."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from shortlist.console.connection import Connection
from shortlist.server.settings import within


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings(Connection):
    """The settings of `shortlist index`."""

    collection: Annotated[str, Parameter(metavar="NAME")]
    """collection to put the documents in"""
    include: Annotated[tuple[str, ...], Parameter(metavar="GLOB,GLOB")] = ()
    """files to read in folders, in place of those kinds: patterns of a shell, for names or for paths below the
    folder; what is no JSON lines by its ending is read as text"""
    exclude: Annotated[tuple[str, ...], Parameter(metavar="GLOB,GLOB")] = ()
    """files and folders to leave out, as hidden ones are"""
    sync: bool = False
    """remove what came from below these folders and is of no file that was found now"""
    create: bool = True
    """make the collection if it is not there"""
    language: str | None = None
    """of a new collection's texts, for searches by words: english, german, ... or none; english if not given"""
    patience_s: Annotated[float, Parameter(metavar="S"), within(0.1)] = 300.0
    """seconds to wait for the next document to be acknowledged, while the server is busy or away"""
    json: bool = False
    """print the result as one JSON object"""
    timeout_s: Annotated[float, Parameter(metavar="S", group="Connection")] = 120.0
    """seconds that a call may take"""
