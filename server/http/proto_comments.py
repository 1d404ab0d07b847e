"""What retrieval.proto says of its services, messages, fields and values, by their full names.

The generated code has no comments, so the file beside it is read: one statement a line, comments above it. A test
holds what is read against protoc's own reading.
"""

import re
from functools import cache
from importlib import resources

_OPENS = re.compile(r"(service|message|enum) (\w+) \{")
_NAMES = (
    re.compile(r"rpc (\w+)\("),
    re.compile(r"(?:optional |repeated )?[\w.]+ (\w+) = \d+( \[.*\])?;$"),
    re.compile(r"(\w+) = -?\d+;$"),
)


@cache
def comments() -> dict[str, str]:
    """Return the comments of the proto that ships with the package."""
    return read(resources.files("shortlist.proto").joinpath("retrieval.proto").read_text(encoding="utf-8"))


def read(source: str) -> dict[str, str]:
    """Return the comments of a proto file, by full names; a value of an enum has the enum's name before its own."""
    found: dict[str, str] = {}
    package, scopes, above = "", list[str](), list[str]()
    for line in map(str.strip, source.splitlines()):
        if line.startswith("//"):
            above.append(line.removeprefix("//").removeprefix(" "))
            continue
        opened = _OPENS.match(line)
        named = opened[2] if opened else next((one[1] for pattern in _NAMES if (one := pattern.match(line))), "")
        if named and above:
            found[".".join(filter(None, (package, *scopes, named)))] = "\n".join(above)
        if line.startswith("package "):
            package = line.removeprefix("package ").rstrip(";")
        elif line.endswith("{"):  # what is in a oneof, or an RPC's options, is not named by it
            scopes.append(named if opened else "")
        elif line == "}":
            scopes.pop()
        above = []
    return found
