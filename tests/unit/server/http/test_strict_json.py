"""JSON of callers, read within bounds."""

import gc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.server.errors import TooLarge, shown
from shortlist.server.http import strict_json
from shortlist.server.http.errors import BadBody

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@given(JSON)
def test_what_is_sound_is_read(value: object):
    """Whatever brackets stand in its texts, a value comes as it was sent."""
    assert strict_json.loads(orjson.dumps(value)) == value


@pytest.mark.parametrize("text", ["[", "]{", "}" * 200, "[" * 200])
def test_brackets_in_texts_are_no_levels(text: str):
    """A text full of brackets nests nowhere."""
    assert strict_json.loads(orjson.dumps({"query": text})) == {"query": text}


@pytest.mark.parametrize("begin", ["[", '{"a":', '[{"a":['])
@pytest.mark.parametrize("levels", [99, 102, 980, 1_000_000])
def test_levels(begin: str, levels: int):
    """A hundred levels are read, more are refused with the limit, whatever they are of and is beside them."""
    end = begin.translate(str.maketrans("[{", "]}", '"a:'))[::-1]
    times = levels // sum(map(begin.count, "[{"))
    body = f'{{"text": "]{{", "deep": {begin * times}1{end * times}}}'.encode()
    if levels < 100:
        assert shown(strict_json.loads(body)).startswith("{'text': ']{', 'deep': ")
    else:
        with pytest.raises(
            BadBody, match=r"^body: got .*(it may nest 100 levels deep; send what is flatter|JSON in UTF-8)"
        ):
            strict_json.loads(body)


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"1,", b'"",'])
def test_too_many_values(monkeypatch: pytest.MonkeyPatch, piece: bytes):
    """A body of more values than the largest sound request is refused before it is read."""
    monkeypatch.setattr(strict_json, "_MOST_VALUES", 1000)
    monkeypatch.setattr(orjson, "loads", None)
    with pytest.raises(TooLarge, match=r"^body: got '\d+ values', but the most is 1000; send less in one call"):
        strict_json.loads(b'{"documents": [' + piece * 1000 + b"1]}")


def test_the_collector_goes_on():
    """After a large body, sound or not, the garbage collector works as before."""
    strict_json.loads(b"[" + b"1," * 600_000 + b"1]")
    with pytest.raises(BadBody):
        strict_json.loads(b"[" * 2_000_000)
    assert gc.isenabled()
