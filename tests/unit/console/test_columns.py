"""Texts cut and wrapped by the columns of a terminal."""

import pytest
import wcwidth

from shortlist.console import columns

# Written as escapes where an editor would show something else.
TEXTS = [
    "plain",
    "東京都の天気",
    "안녕하세요",
    "\u1112\u1161\u11ab",  # one syllable of Hangul in three letters
    "cafe\u0301",
    "สวัสดี",
    "नमी",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, with a non-joiner
    "ｶﾅ",
    "\u2764\ufe0f",
    "1\ufe0f\u20e3",
    "\U0001f44d\U0001f3fd",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7",
    "🚀 launch",
]


def test_plain_text_cannot_move_the_cursor():
    """Controls are gone, and so are overrides of the direction; what letters and emoji are joined by stays."""
    assert columns.plain("a\x1b[2J\r\n\tb\x07") == "a [2J b"
    assert columns.plain("\ufeffuser\u202eexe\u2066.txt\u00ad") == "userexe.txt"
    assert columns.plain(TEXTS[7]) == TEXTS[7]
    assert columns.plain(TEXTS[12]) == TEXTS[12]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("room", [3, 4, 5, 8, 40])
def test_cut_text_fits(text, room):
    """A text that is cut takes no more than there is, and loses no half of a character."""
    found = columns.cut(text, room)
    assert wcwidth.wcswidth(found) <= room
    if found != text:
        assert found.endswith("...")
        assert text.startswith(found[:-3])
        assert wcwidth.width(text[len(found) - 3]) > 0


def test_cut_keeps_what_fits():
    """A text that just fits is whole, and one that does not ends in three dots."""
    assert columns.cut("日本語", 6) == "日本語"
    assert columns.cut("日本語", 5) == "日..."
    assert columns.cut("abcdef", 5) == "ab..."


def test_wrapped_between_words():
    """Lines end between words; one that is longer than a line is broken."""
    assert columns.wrapped("the quick brown fox", 10) == ["the quick", "brown fox"]
    assert columns.wrapped("a https://example.org b", 10) == ["a https://", "example.or", "g b"]
    assert columns.wrapped("", 10) == []


def test_wrapped_inside_of_wide_text():
    """Text without spaces fills its lines, also behind words."""
    assert columns.wrapped("see 日本語の文章です", 10) == ["see 日本語", "の文章です"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("room", [4, 7, 20])
def test_wrapped_loses_nothing(text, room):
    """No line is wider than there is room for, and together they are the text."""
    lines = columns.wrapped(f"{text} {text}", room)
    assert all(wcwidth.wcswidth(line) <= room for line in lines)
    assert "".join(lines).replace(" ", "") == f"{text}{text}".replace(" ", "")
