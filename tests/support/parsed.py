"""Settings as a command line gives them: read from flags, and held to their ranges."""

from typing import Any

from shortlist.console import command_line


def parsed(settings: type[Any], **given: object) -> Any:
    """Return settings of which each is given as a flag; a list's values with commas, a truth as yes or no."""
    found: list[Any] = []
    app = command_line.program("test", ["test"], "")
    command_line.add(app, settings, lambda chosen: found.append(chosen) or 0)
    flags = [f"--{name.replace('_', '-')}={_text(value)}" for name, value in given.items()]
    command_line.run(app, flags)
    return found[0]


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={part}" for name, part in value.items())
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
