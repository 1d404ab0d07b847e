"""Commands that need more than the base install: the extra's name in place of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import UsageError


@contextmanager
def needs(command: str, extras: str) -> Iterator[None]:
    """Turn a package that is missing into one line that says what to install.

    Args:
        command: what the user asked for.
        extras: the extras of which one brings it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        # A module of our own that is missing is a defect, not an install without extras.
        if error.name is None or error.name.startswith("shortlist"):
            raise
        extra = extras.partition(",")[0]
        raise UsageError(
            f"{error.name} is not installed, and `{command}` needs it;"
            f" install the extra {extras}, in a clone of Shortlist: pip install '.[{extra}]'"
        ) from error
