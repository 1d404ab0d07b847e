"""A request's body, unpacked within bounds, and JSON to the letter; an answer with arrays in it."""

import gzip
import json
import math

import hypothesis
import numpy as np
import orjson
import pytest
from hypothesis import strategies

from shortlist.server.errors import TooLarge
from shortlist.server.http.call import Answer, Call
from shortlist.server.http.errors import COMMON, BadBody, WrongMediaType

MOST = 100_000


def call(body: bytes, **headers: str) -> Call:
    """Return a request with a body, and headers whose names have a dash where Python has an underscore."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call("POST", "/", named, {}, math.inf, COMMON, MOST, packed=body)


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "text/json", "a/b+json", ""])
async def test_kinds_of_json(kind: str):
    """JSON by any of its names, and by none."""
    assert await call(b'{"a": 1}', content_type=kind).json() == {"a": 1}
    assert await call(b'{"a": 1}').json() == {"a": 1}


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_other_kinds(kind: str):
    """What says that it is no JSON is not read as such: a browser sends these for any page without asking."""
    with pytest.raises(WrongMediaType, match=r"send content-type: application/json"):
        await call(b'{"a": 1}', content_type=kind).json()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"[1] [2]",
        b'"\xff"',
        b'"\xc3"',
        b'"\xed\xa0\x80"',  # a surrogate in UTF-8
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\\ud800\\ud800"',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"01",
        b'"\n"',
        b"[" * 100_000,
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        '{"a": 1}'.encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b"\0",
    ],
)
async def test_no_json(body: bytes):
    """What is no JSON in UTF-8 is the caller's mistake, however it is wrong."""
    with pytest.raises(BadBody, match=r"^body: got .*, but it must be JSON in UTF-8: .*; send valid JSON$"):
        await call(body).json()


@hypothesis.given(
    strategies.recursive(
        strategies.none()
        | strategies.booleans()
        | strategies.integers(-(2**63), 2**64 - 1)
        | strategies.floats(allow_nan=False, allow_infinity=False)
        | strategies.text(strategies.characters(exclude_categories=["Cs"])),
        lambda inner: (
            strategies.lists(inner)
            | strategies.dictionaries(strategies.text(strategies.characters(exclude_categories=["Cs"])), inner)
        ),
    )
)
async def test_all_json(value: object):
    """All that JSON can say comes as Python reads it, integers of 64 bits and surrogates in pairs."""
    body = json.dumps(value).encode()
    assert await call(body).json() == json.loads(body)


@hypothesis.given(strategies.lists(strategies.binary(), min_size=1, max_size=3))
async def test_packed(parts: list[bytes]):
    """A body packed with gzip is what was packed, in one member or several."""
    assert await call(b"".join(map(gzip.compress, parts)), content_encoding="gzip").body() == b"".join(parts)


async def test_a_large_packed_body():
    """The limit holds for what is unpacked: as much as it says, and no byte more."""
    exact = bytes(MOST)
    assert await call(gzip.compress(exact), content_encoding=" GZIP ").body() == exact
    bombs = (
        gzip.compress(bytes(100 * MOST)),
        gzip.compress(exact) + gzip.compress(b"x"),
        gzip.compress(b"x") * 90_000,
    )
    for bomb in bombs[:2]:
        with pytest.raises(TooLarge, match="got 'more than 100000', but the most is 100000"):
            await call(bomb, content_encoding="gzip").body()
    assert len(await call(bombs[2], content_encoding="gzip").body()) == 90_000  # in a thread


@pytest.mark.parametrize("cut", [1, 8, 9, 12])
async def test_damaged_packed_bodies(cut: int):
    """A packed body that is cut off, altered or none at all is the caller's mistake."""
    packed = gzip.compress(b"some text")
    for damaged in (packed[:-cut], packed[:-cut] + b"xx" + packed[-cut + 2 :], packed + b"rest", b"some text"):
        with pytest.raises(BadBody, match="its content-encoding is gzip: "):
            await call(damaged, content_encoding="gzip").body()


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
async def test_other_packings(encoding: str):
    """A packing that is not spoken is refused with the one that is."""
    with pytest.raises(WrongMediaType, match="send it as it is, or packed with gzip"):
        await call(b"x", content_encoding=encoding).body()


def test_parts_of_arrays():
    """An answer may hold the first elements of vectors, which do not lie side by side; what is no JSON it may not."""
    vectors = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert orjson.loads(Answer.json({"vectors": vectors[:, :2]}).body) == {"vectors": [[0, 1], [4, 5], [8, 9]]}
    assert orjson.loads(Answer.json(vectors.T).body) == vectors.T.tolist()
    with pytest.raises(TypeError, match="not JSON serializable: set"):
        Answer.json({"a": {1}})
