"""Passages out of texts: what stays together, where long blocks are cut, what their titles are."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.reading.passages import MAX_TITLE_BYTES, Cutter
from shortlist.reading.sources import Source
from shortlist.reading.token_lengths import Measured


class Words:
    """A ruler whose tokens are words; a passage has room for so many."""

    def __init__(self, room):
        self.room = room
        self.token = 1 / room
        self.calls = 0

    def measure(self, texts):
        """Measure each text by its words."""
        self.calls += 1
        return [
            Measured(
                len(one), {"embedder": [match.end() for match in re.finditer(r"\S+", one)]}, {"embedder": self.room}
            )
            for one in texts
        ]


class Joined(Words):
    """A ruler to which a text of several lines has a token more than its parts, as with some tokenizers."""

    def measure(self, texts):
        """Measure each text by its words and the ends of its lines."""
        found = super().measure(texts)
        for text, one in zip(texts, found, strict=True):
            one.ends["embedder"] = sorted(
                [*one.ends["embedder"], *(match.end() for match in re.finditer("\n+", text))]
            )
        return found


def cut(text, room, name="notes.md", ruler=Words):
    """Cut one text into (title, text) for passages of so many words, title included."""
    ((_, documents),) = Cutter(lambda: ruler(room))([(Source(name, name), text)])
    assert [(one.id, one.source) for one in documents] == [
        (f"{name}#{number + 1}", name) for number in range(len(documents))
    ]
    return [(one.title, one.text) for one in documents]


def texts(text, room, name="notes.txt"):
    """Cut one text, and leave the titles out."""
    return [found for _, found in cut(text, room, name)]


def test_paragraphs_are_merged_up_to_the_room():
    """Paragraphs share a passage as long as they fit beside the title, with a blank line between them."""
    text = "a a a a a a\n\nb b b b b b\n \n\nc c c c c c"
    assert texts(text, room=20) == ["a a a a a a\n\nb b b b b b", "c c c c c c"]
    assert texts(text, room=40) == ["a a a a a a\n\nb b b b b b\n\nc c c c c c"]


def test_passages_of_a_section_are_about_equal():
    """What is a little more than a passage becomes two halves, not a whole one and a scrap."""
    text = "\n\n".join("w w w w" for _ in range(11))
    assert [len(one.split()) for one in texts(text, room=60)] == [24, 20]


def test_a_long_paragraph_is_cut_at_a_sentence():
    """A paragraph that does not fit is cut where sentences end, in scripts without spaces too."""
    assert texts("One two three four. Five six. Seven eight nine ten.", room=12) == [
        "One two three four. Five six.",
        "Seven eight nine ten.",
    ]
    assert texts("はい そう です。いいえ ちがい ます。", room=7) == ["はい そう です。", "いいえ ちがい ます。"]


def test_a_long_sentence_is_cut_at_a_line_or_a_word():
    """A sentence that does not fit is cut where a line ends, and if there is none, between words."""
    assert texts("aa bb cc dd ee\nff gg hh ii jj", room=10) == ["aa bb cc dd ee", "ff gg hh ii jj"]
    assert texts("aa bb cc dd ee ff", room=8) == ["aa bb cc", "dd ee ff"]


def test_headings_are_the_titles():
    """A passage is titled by the headings that lead to it, without their marks, and is of one section."""
    text = "Before.\n\n# The *first* `one`\n\nUnder it.\n\n## Deeper ##\n\nThere.\n\nSecond\n======\n\nOther."
    assert cut(text, room=40) == [
        ("notes.md", "Before."),
        ("The first one", "Under it."),
        ("The first one > Deeper", "There."),
        ("Second", "Other."),
    ]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_what_is_no_heading(ending):
    """A `#` in fenced code or front matter is none, whatever ends lines, and stays in the text."""
    lines = [
        "---",
        "# comment",
        "tags: [a]",
        "---",
        "# Real",
        "",
        "```sh",
        "# a comment",
        "ls",
        "```",
        "",
        "    # code",
    ]
    assert cut(ending.join(lines), room=40) == [
        ("notes.md", "---\n# comment\ntags: [a]\n---"),
        ("Real", "```sh\n# a comment\nls\n```\n\n    # code"),
    ]


@pytest.mark.parametrize("matter", ['---\ntitle: "The page"\n---', "+++\ntitle = 'The page'\n+++"])
def test_front_matter_titles_what_has_no_heading(matter):
    """The title that front matter gives stands where a first heading would."""
    assert cut(f"{matter}\n\nText.\n\n## Part\n\nMore.", room=40) == [
        ("The page", matter + "\n\nText."),
        ("The page > Part", "More."),
    ]


def test_headings_without_text_are_not_lost():
    """A heading that leads to others is in their titles; one that leads nowhere is a passage of its own."""
    assert cut("# A\n\n## B\n\ntext\n\n## C\n\n# D", room=40) == [("A > B", "text"), ("A > C", "C"), ("D", "D")]


def test_a_table_is_whole_where_it_fits():
    """A table that fits a passage is not shared between two, though its first rows would fit the one before."""
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |"
    assert texts(f"{'w ' * 20}\n\n{table}", room=36, name="n.md") == [("w " * 20).strip(), table]


def test_a_long_table_is_cut_at_rows_below_its_header():
    """Each part of a table begins with its header."""
    rows = [f"| {number} | x |" for number in range(6)]
    head = "| n | what |\n|---|---|\n"
    assert texts(head + "\n".join(rows), room=30, name="n.md") == [
        head + "\n".join(rows[:3]),
        head + "\n".join(rows[3:]),
    ]


def test_long_code_is_cut_at_lines_between_its_fences():
    """Each part of fenced code is fenced as the whole was; what is in it stays as it is indented."""
    body = [f"    call {number} here" for number in range(4)]
    parts = texts("```py\n" + "\n".join(body) + "\n```", room=13, name="n.md")
    assert parts == [f"```py\n{body[0]}\n{body[1]}\n```", f"```py\n{body[2]}\n{body[3]}\n```"]


def test_a_long_list_is_cut_at_its_items():
    """A list that does not fit is cut between items, never inside one that fits."""
    items = ["- a. b. c.\n  d. e.", "- f. g. h.", "- i. j. k."]
    assert texts("\n".join(items), room=14, name="n.md") == ["\n".join(items[:2]), items[2]]


def test_links_below_the_text_are_kept():
    """Definitions of links, which are no block to Markdown, are in a passage all the same."""
    assert texts("See [it].\n\n[it]: http://example.com", room=40, name="n.md") == [
        "See [it].\n\n[it]: http://example.com"
    ]


def test_a_heading_that_is_too_long_for_a_title():
    """A heading of 6,000 bytes is a title as far as it fits, and whole in the text; the outer ones go first."""
    long = " ".join(["heading"] * 750)
    ((title, text), *_) = cut(f"# Outer\n\n## {long}\n\nText.", room=4000)
    assert title == " ".join(["heading"] * (len(title.split())))
    assert 500 < len(title.encode()) <= MAX_TITLE_BYTES
    assert text == f"{long}\n\nText."
    words = cut(f"# {long}\n\nText.", room=40)
    assert len(words[0][0].split()) <= 10
    assert sum(len(found.split()) for _, found in words) == 751


def test_what_the_ruler_finds_too_long_is_cut_again():
    """Where a passage has more tokens than its parts had, it is made shorter, until none is too long."""
    text = "\n".join(f"line {number}" for number in range(40))
    found = cut(text, room=30, name="n.txt", ruler=Joined)
    ruler = Joined(30)
    assert all(one.share(0, one.length) <= 1 for one in ruler.measure([" ".join(each) for each in found]))
    assert "\n".join(passage for _, passage in found) == text


def test_files_are_cut_together_and_once():
    """Few calls of the ruler do for many files, and none for a file that was cut before."""
    ruler = Words(30)
    cutter = Cutter(lambda: ruler)
    files = [(Source(f"{number}.txt", f"{number}.txt"), f"text {number}") for number in range(50)]
    first = [documents for _, documents in cutter(files)]
    assert ruler.calls == 2
    assert [documents for _, documents in cutter(files)] == first
    assert ruler.calls == 2


_WORDS = st.text(st.sampled_from("ab.!? \n\t#|-`>*1"), max_size=300)


@given(_WORDS, st.integers(12, 60), st.sampled_from(["n.md", "n.txt"]))
def test_nothing_is_lost_or_too_long(text, room, name):
    """Every letter is in a passage or a title, and no passage is too long or blank."""
    found = cut(text, room, name)
    kept = "".join(title + passage for title, passage in found)
    for letter in "ab1":
        assert kept.count(letter) >= text.count(letter)
    assert all(passage.strip() for _, passage in found)
    assert all(len(f"{title} {passage}".split()) <= room for title, passage in found)


@given(st.text(st.sampled_from("ab.!? \n\t"), max_size=300), st.integers(12, 60))
def test_plain_text_comes_back(text, room):
    """The passages of plain text, put together, are the text but for its white space."""
    assert "".join(text.split()) == "".join("".join(texts(text, room)).split())
