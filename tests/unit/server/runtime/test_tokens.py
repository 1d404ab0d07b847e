"""Padding, and tokenizers as bundles bring them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models, pre_tokenizers, processors

from shortlist.server.errors import BundleError
from shortlist.server.runtime.tokens import Encoded, Tokenizer, pad

PAD = 99
WORDS = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, **{f"w{number}": 3 + number for number in range(20)}}


def item(ids: list[int]) -> Encoded:
    """Return an item whose type ids tell its ids' parity."""
    array = np.array(ids, dtype=np.int64)
    return Encoded(array, array % 2, truncated=False)


@pytest.fixture
def bundle(tmp_path: Path) -> SimpleNamespace:
    """Write a tokenizer that pads and truncates at 4, in a bundle whose window is 8."""
    fast = FastTokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    fast.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    fast.add_special_tokens(["[CLS]", "[SEP]"])
    fast.enable_padding(length=16)
    fast.enable_truncation(4)
    fast.save(str(tmp_path / "tokenizer.json"))
    return SimpleNamespace(tokenizer=tmp_path / "tokenizer.json", max_tokens=8)


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=12), min_size=1, max_size=8))
def test_padding_keeps_every_item(batch: list[list[int]]):
    """Each row holds its item, then padding that the mask hides; the width is that of the longest."""
    feeds = pad([item(ids) for ids in batch], PAD)
    width = max(map(len, batch))
    for row, ids in enumerate(batch):
        rest = width - len(ids)
        assert feeds["input_ids"][row].tolist() == ids + [PAD] * rest
        assert feeds["attention_mask"][row].tolist() == [1] * len(ids) + [0] * rest
        assert feeds["token_type_ids"][row].tolist() == [entry % 2 for entry in ids] + [0] * rest


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12))
def test_a_single_item_is_not_padded(ids: list[int]):
    """A batch of one has the item's own width."""
    assert pad([item(ids)], PAD)["input_ids"].tolist() == [ids]


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=12), min_size=1, max_size=8))
def test_padding_up_to_a_shape(batch: list[list[int]]):
    """A batch can be made larger: its items stay where they are, and a row without one sees one padding token."""
    plain = pad([item(ids) for ids in batch], PAD)
    count, width = plain["input_ids"].shape
    feeds = pad([item(ids) for ids in batch], PAD, items=count + 2, length=width + 3)
    for name, values in plain.items():
        np.testing.assert_array_equal(values, feeds[name][:count, :width])
        assert feeds[name].shape == (count + 2, width + 3)
    assert (feeds["input_ids"][:, width:] == PAD).all()
    assert feeds["attention_mask"][count:].sum(axis=1).tolist() == [1, 1]
    assert feeds["attention_mask"][:count, width:].sum() == 0


def test_the_manifest_decides_the_window(bundle: SimpleNamespace):
    """Truncation and padding inside tokenizer.json are ignored: the manifest's window holds."""
    tokenizer = Tokenizer(bundle)
    short, long = tokenizer.encode(["w1 w2 w3", " ".join(["w1"] * 20)])
    assert short.input_ids.tolist() == [1, 4, 5, 6, 2]
    assert (len(long), short.truncated, long.truncated) == (8, False, True)


def test_a_pair_loses_from_its_longer_part(bundle: SimpleNamespace):
    """A pair over the window is cut in its longer part, as Hugging Face tokenizers do by default."""
    (pair,) = Tokenizer(bundle).encode_pairs("w1 w2", [" ".join(["w3"] * 20)])
    assert pair.input_ids.tolist() == [1, 4, 5, 2, 6, 6, 6, 2]
    assert pair.type_ids.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert pair.truncated


def test_long_texts_are_cut_before_they_are_paired(bundle: SimpleNamespace):
    """Two texts of any length make the same pair as their beginnings do, without every window of both in memory."""
    tokenizer = Tokenizer(bundle)
    beginning, long = " ".join(["w1", "w2"] * 30), " ".join(["w1", "w2"] * 200_000)
    (short_pair,) = tokenizer.encode_pairs(beginning, [beginning])
    (long_pair,) = tokenizer.encode_pairs(long, [long])
    assert long_pair.input_ids.tolist() == short_pair.input_ids.tolist()
    assert long_pair.truncated
    assert tokenizer.encode([long])[0].input_ids.tolist() == tokenizer.encode([beginning])[0].input_ids.tolist()


def test_truncation_on_the_left_keeps_the_end(bundle: SimpleNamespace):
    """A file whose truncation has the left side keeps the end of a text and of a pair's longer part."""
    fast = FastTokenizer.from_file(str(bundle.tokenizer))
    fast.enable_truncation(4, direction="left")
    fast.save(str(bundle.tokenizer))
    tokenizer = Tokenizer(bundle)
    for words in (30, 200_000):
        long = " ".join(["w1"] * words + ["w2", "w3"])
        (item_,) = tokenizer.encode([long])
        assert (item_.input_ids.tolist(), item_.truncated) == ([1, 4, 4, 4, 4, 5, 6, 2], True)
        (pair,) = tokenizer.encode_pairs("w4", [long])
        assert pair.input_ids.tolist() == [1, 7, 2, 4, 4, 5, 6, 2]


def test_a_text_that_is_mostly_white_space_is_read_on(bundle: SimpleNamespace):
    """Cutting counts tokens, not characters: words behind a megabyte of spaces are read."""
    (item_,) = Tokenizer(bundle).encode(["w1" + " " * 1_000_000 + "w2"])
    assert item_.input_ids.tolist() == [1, 4, 5, 2]
    assert not item_.truncated


def test_showing_tokens(bundle: SimpleNamespace):
    """Tokens are shown as strings, alone or beside a query."""
    tokenizer = Tokenizer(bundle)
    assert tokenizer.show(["w1 nope"])[0].tokens == ("[CLS]", "w1", "[UNK]", "[SEP]")
    assert tokenizer.show(["w1"], query="w2")[0].tokens == ("[CLS]", "w2", "[SEP]", "w1", "[SEP]")


def test_ends_are_those_of_the_whole_text(bundle: SimpleNamespace):
    """Each token of a text ends somewhere in it, in characters, beyond the window too and without special tokens."""
    tokenizer = Tokenizer(bundle)
    assert tokenizer.ends(["w1 nope é w2", " ".join(["w1"] * 20)]) == [[2, 7, 9, 12], list(range(2, 60, 3))]


def test_a_file_that_is_no_tokenizer(bundle: SimpleNamespace):
    """A tokenizer that cannot be read is refused by its path."""
    bundle.tokenizer.write_text("{}")
    with pytest.raises(BundleError, match=r"tokenizer\.json cannot be read"):
        Tokenizer(bundle)


def test_pieces_of_a_whole_text(bundle: SimpleNamespace):
    """Every token of a text longer than the window is there, with the bytes that it is; added ones have none."""
    text = "w1 é日 w2 🦊🦊 " + "w3 " * 20
    (pieces,) = Tokenizer(bundle).pieces([text], special=True)
    (plain,) = Tokenizer(bundle).pieces([text], special=False)
    assert (pieces[0].text, pieces[-1].text, pieces[0].special, pieces[-1].special) == ("[CLS]", "[SEP]", True, True)
    assert (pieces[0].start, pieces[0].stop) == (None, None)
    assert plain == pieces[1:-1]
    assert [piece.text for piece in plain] == text.split()
    raw = text.encode()
    assert [raw[piece.start : piece.stop].decode() for piece in plain] == text.split()
    assert [piece.id for piece in plain] == [WORDS.get(word, 0) for word in text.split()]


def test_tokens_become_text_again(bundle: SimpleNamespace):
    """Tokens are joined as the tokenizer does it, with special ones or without; a number of no token is left out."""
    tokenizer = Tokenizer(bundle)
    ids = [[1, 4, 5, 2], [6, 99_999]]
    assert tokenizer.decode(ids, skip_special=False) == ["[CLS] w1 w2 [SEP]", "w3"]
    assert tokenizer.decode(ids, skip_special=True) == ["w1 w2", "w3"]
