"""`shortlist verify`: a data folder checked without a server."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from shortlist.console import command_line, output
from shortlist.console.extras import needs

if TYPE_CHECKING:
    from shortlist.server.storage.inspection import Grade, Inspection

# 1 and 2 are the program's own: it could not do what it was asked.
_SOUND, _DAMAGED, _MENDED = 0, 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifySettings:
    """The settings of `shortlist verify`."""

    json: bool = False
    """print the result as one JSON object"""


COMMAND = command_line.command(
    "verify",
    """\
shortlist verify /var/lib/shortlist
shortlist verify --json data | jq -r '.findings[] | select(.grade == "damaged").path'""",
)


@COMMAND.default
def run(
    data: Annotated[Path, command_line.argument("data folder that no server uses")],
    /,
    *,
    settings: Annotated[VerifySettings, command_line.FLAT] = VerifySettings(),
) -> int:
    """Check a data folder.

    Read it whole: SQLite's own check of every file; every document's vector, which must be in the index and be found
    by itself; the index's digest; whatever is not ours. What the documents do not need, such as an index that is
    behind or torn, the next start mends. Nothing is written, and a folder that a server uses is refused.

    Exit codes: 0 sound; 3 damaged, which no start mends; 4 a start mends all that is wrong; 2 it cannot be checked.
    It needs one of the extras cpu, gpu and openvino.
    """
    with needs("verify", "cpu, gpu or openvino"):
        from shortlist.server.storage import inspection  # noqa: PLC0415 (the base install does not have what it imports)

        found = inspection.inspect(data)
    output.write(output.as_json(found) if settings.json else "\n".join(shown(found)))
    return {None: _SOUND, "foreign": _SOUND, "damaged": _DAMAGED, "mended": _MENDED}[found.worst]


def shown(found: "Inspection") -> Iterator[str]:
    """Yield a line for each finding, and one for the whole."""
    heads: dict[Grade, str] = {
        "damaged": "damaged",
        "mended": "a start mends it",
        "foreign": "left alone",
    }
    yield from (f"{heads[one.grade]}: {one.path}: {one.what}" for one in found.findings)
    held = f"{output.counted(found.collections, 'collection')}, {output.counted(found.documents, 'document')}"
    match found.worst:
        case "damaged":
            yield f"{held}: damaged"
        case "mended":
            yield f"{held}: the documents are sound, and a start mends the rest"
        case _:
            yield f"{held}: sound"
