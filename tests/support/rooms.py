"""Which room imports which, as `docs/architecture.md` shows it: `make rooms` prints it.

The rooms and their floors are those of the layers' contracts in `pyproject.toml`, which `make check` proves; what is
printed beside each is counted by grimp, import-linter's graph, on the code as it is.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]


def picture() -> str:
    """Return a line for each room, floor by floor from the top: the room, and the rooms that it imports."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    graph = grimp.build_graph(*linter["root_packages"], cache_dir=None)
    house, server, *_ = linter["contracts"]
    parts = []
    for contract, prefix in ((house, ""), (server, f"{server['containers'][0]}.")):
        floors = [[f"{prefix}{room.strip()}" for room in floor.split("|")] for floor in contract["layers"]]
        parts.append("\n".join(_lines(graph, floors, prefix or "shortlist.")))
    return "\n\n".join(parts)


def _lines(graph: grimp.ImportGraph, floors: list[list[str]], prefix: str) -> Iterator[str]:
    rooms = [room for floor in floors for room in floor]
    width = max(len(room) for room in rooms) - len(prefix)
    for room in rooms:
        below = [
            other.removeprefix(prefix)
            for other in rooms
            if other != room and graph.direct_import_exists(importer=room, imported=other, as_packages=True)
        ]
        yield f"{room.removeprefix(prefix):{width}}  {'-> ' if below else ''}{', '.join(below)}".rstrip()


if __name__ == "__main__":
    print(picture())
