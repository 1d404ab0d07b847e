"""What can be set about `shortlist index`: one definition for flag, environment variable and TOML key."""

from dataclasses import dataclass, field

from shortlist.console.command import Connection
from shortlist.console.options import UsageError
from shortlist.server.errors import check_range


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings(Connection):
    """The settings of `shortlist index`."""

    files: tuple[str, ...] = field(
        metadata={
            "help": "JSON lines (.jsonl, .ndjson, .json), text (.txt, .md, .markdown), each also with .gz; folders,"
            " which are searched for them; - for JSON lines on standard input",
            "positional": True,
            "metavar": "FILE",
        }
    )
    collection: str = field(metadata={"help": "collection to put the documents in", "metavar": "NAME"})
    include: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "files to read in folders, in place of those kinds: patterns of a shell, for names or for paths"
            " below the folder; what is no JSON lines by its ending is read as text",
            "metavar": "GLOB,GLOB",
        },
    )
    exclude: tuple[str, ...] = field(
        default=(), metadata={"help": "files and folders to leave out, as hidden ones are", "metavar": "GLOB,GLOB"}
    )
    sync: bool = field(
        default=False,
        metadata={"help": "remove what came from below these folders and is of no file that was found now"},
    )
    create: bool = field(default=True, metadata={"help": "make the collection if it is not there"})
    batch_size: int = field(default=64, metadata={"help": "documents in one call"})
    in_flight: int = field(default=4, metadata={"help": "calls under way at once"})
    patience_s: float = field(
        default=300.0,
        metadata={"help": "seconds to try again while the server is busy or away", "metavar": "S"},
    )
    json: bool = field(default=False, metadata={"help": "print the result as one JSON object"})
    timeout_s: float = field(
        default=120.0, metadata={"help": "seconds that a call may take", "metavar": "S", "group": "connection"}
    )

    def __post_init__(self) -> None:
        """Refuse what could index nothing.

        Raises:
            UsageError, SettingsError: naming the setting, its value and the limit.
        """
        Connection.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
        for name in ("batch_size", "in_flight"):
            check_range(name, getattr(self, name), 1)
        if sum(path == "-" for path in self.files) > 1:
            raise UsageError("standard input (-) can be read only once")
