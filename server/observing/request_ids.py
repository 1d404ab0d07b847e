"""The id of a call: its caller's own, as far as it is fit for logs and headers, or a new one."""

import re
import uuid

HEADER = "x-request-id"  # over HTTP, and of gRPC's metadata

MOST_CHARACTERS = 128
_UNFIT = re.compile(r"[^A-Za-z0-9._:/+=@~-]+")


def of(given: str | None) -> str:
    """Return the id of a call whose caller gives one, or none."""
    return (_UNFIT.sub("", given[: 8 * MOST_CHARACTERS])[:MOST_CHARACTERS] if given else "") or uuid.uuid4().hex
