"""A real corpus that every machine has: what the standard library says of itself.

One document a public module, class, function or method: its dotted name as the title, and its signature, its
docstring and a line on where it lives as the text. Modules are imported for it, since those written in C have no
source to read.
"""

import importlib
import inspect
import json
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

# Modules that do something when they are imported (antigravity opens a browser, this prints), that are no library, or
# that say the same thing a hundred times (encodings).
_SKIPPED = {
    *("antigravity", "this", "idlelib", "lib2to3", "turtledemo", "test", "tests", "ensurepip", "pydoc_data"),
    *("encodings", "posix", "nt"),
}
_PLATFORM = {"posix": "os", "nt": "os", "posixpath": "os.path", "ntpath": "os.path"}  # where these are documented
_LEAST_CHARACTERS = 20  # shorter texts say no more than the name


@dataclass(frozen=True, slots=True)
class Entry:
    """One document, with the fields that `shortlist index` reads."""

    id: str
    title: str
    text: str
    metadata: dict[str, str]


def write(path: Path) -> int:
    """Write the corpus as JSON lines to `path`, and return the number of documents."""
    seen: set[int] = set()
    entries = {entry.id: entry for module in _modules() for entry in _entries(module, seen)}
    lines = [json.dumps(asdict(entry), ensure_ascii=False) for _, entry in sorted(entries.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


def _modules() -> Iterator[ModuleType]:
    """Import and yield the public modules of the standard library, and those inside its packages."""
    names = sorted(name for name in sys.stdlib_module_names if _is_public(name))
    while names:
        name = names.pop(0)
        module = _imported(name)
        if module is None:
            continue
        yield module
        inside = pkgutil.iter_modules(getattr(module, "__path__", None) or [])
        names += [f"{name}.{entry.name}" for entry in inside if _is_public(entry.name)]


def _is_public(name: str) -> bool:
    return not name.startswith("_") and name not in _SKIPPED


def _imported(name: str) -> ModuleType | None:
    """Return a module, or None where this machine cannot import it (tkinter without a screen, winreg on Linux)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated modules are documented all the same
            return importlib.import_module(name)
    except Exception:  # noqa: BLE001 (a module that does not import is not documentation)
        return None


def _entries(module: ModuleType, seen: set[int]) -> Iterator[Entry]:
    """Yield a module's documents, without what `seen` has: packages come first, so asyncio.run is not runners.run."""
    summary = _documentation(module)
    about = f"In module {module.__name__}: {_first_line(summary)}" if summary else f"In module {module.__name__}."
    if len(summary) >= _LEAST_CHARACTERS:
        yield Entry(module.__name__, module.__name__, summary, {"kind": "module", "module": module.__name__})
    public = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    for name in public:
        member = getattr(module, name, None)
        if id(member) in seen or not _is_at_home(member, module.__name__):
            continue
        seen.add(id(member))
        if inspect.isclass(member):
            yield from _class_entries(module, member, about)
        elif callable(member):
            yield from _entry(module, name, member, "function", about)


def _is_at_home(member: Any, module: str) -> bool:
    """Whether a member of a module is its own, rather than imported from another public module."""
    origin = getattr(member, "__module__", None)
    if not isinstance(origin, str):
        return False
    origin = _PLATFORM.get(origin, origin)
    return origin == module or origin.startswith((f"{module}.", "_"))


def _class_entries(module: ModuleType, found: type[Any], about: str) -> Iterator[Entry]:
    methods = {
        name: member
        for name, member in vars(found).items()
        if not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property))
    }
    listed = f"Methods: {', '.join(methods)}." if methods else ""
    yield from _entry(module, found.__qualname__, found, "class", f"{listed} {about}".strip())
    for name, member in methods.items():
        yield from _entry(module, f"{found.__qualname__}.{name}", member, "method", about)


def _entry(module: ModuleType, name: str, member: Any, kind: str, about: str) -> Iterator[Entry]:
    """Yield the document of one class, function or method, if it says anything beyond its name."""
    documentation = _documentation(member)
    own_words = f"{documentation} {about}" if kind == "class" else documentation
    if len(own_words) < _LEAST_CHARACTERS:
        return
    full_name = f"{module.__name__}.{name}"
    text = "\n".join(part for part in (f"{name}{_signature(member)}", documentation, about) if part)
    yield Entry(full_name, full_name, text, {"kind": kind, "module": module.__name__})


def _documentation(member: Any) -> str:
    # Its own, not what it inherits (inspect.getdoc): that is documented where it is from.
    found = getattr(member, "__doc__", None)
    return inspect.cleandoc(found).strip() if isinstance(found, str) else ""


def _signature(member: Any) -> str:
    try:
        return str(inspect.signature(member))
    except Exception:  # noqa: BLE001 (C functions and properties have none, and some fail in ways of their own)
        return ""


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0].strip()
