"""The page tokens of List: after which document the next page begins, and whose token it is.

A token ends in a digest of its number and its collection, so that an invented number, or a token of another
collection (or of one that was dropped and made again), is refused. It is no secret, and holds over a restart.
"""

import hashlib

from shortlist.server.errors import InvalidRequest
from shortlist.server.storage.collection import Collection

_DIGEST_BYTES = 6
_DIGITS = 19  # that SQLite's numbers have at most


def token(collection: Collection, seq: int) -> str:
    """Return the token of the page that begins after the document of a number."""
    signed = f"{collection.name} {collection.created_at.timestamp()!r} {seq}"
    return f"{seq}-{hashlib.blake2s(signed.encode(), digest_size=_DIGEST_BYTES).hexdigest()}"


def after(collection: Collection, given: str) -> int:
    """Return the number of the document after which a token's page begins; 0 for the first page.

    Raises:
        InvalidRequest: List gave no such token for this collection.
    """
    if not given:
        return 0
    number = given.partition("-")[0]
    if not (
        number.isascii() and number.isdigit() and len(number) <= _DIGITS and token(collection, int(number)) == given
    ):
        raise InvalidRequest(
            "page_token",
            given,
            "it must be a next_page_token that List gave for this collection",
            "begin with an empty one",
        )
    return int(number)
