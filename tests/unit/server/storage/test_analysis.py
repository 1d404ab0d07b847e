"""The words of a text: names whole and in parts, words without their endings, scripts without spaces in pairs."""

import pytest

from shortlist.server.storage.analysis import LANGUAGES, Analyser

PLAIN, ENGLISH = Analyser("none"), Analyser("english")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("os.scandir()", ["os.scandir", "os", "scandir"]),
        ("E11000", ["e11000"]),
        ("readHTTPBody", ["readhttpbody", "read", "http", "body"]),
        ("max_open_files=3", ["max_open_files", "max", "open", "files", "3"]),
        ("__init__", ["init"]),
        ("--candidates-from", ["candidates-from", "candidates", "from"]),
        ("std::vector", ["std::vector", "std", "vector"]),
        ("/usr/lib", ["usr/lib", "usr", "lib"]),
        ("C++, C# and C", ["c++", "c#", "c", "c", "and", "c"]),
        ("France's", ["france", "s"]),
        ("\uff25\uff11\uff11", ["e11"]),  # full-width letters
        ("caf\u00e9 cafe\u0301", ["caf\u00e9", "caf\u00e9"]),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", ["\u0939\u093f\u0928\u094d\u0926\u0940"]),  # with its vowel signs
        ("", []),
        ("?! -- ...", []),
    ],
)
def test_names_are_words_whole_and_in_parts(text: str, words: list[str]):
    """What a person may type of a name is a word of the document."""
    assert PLAIN.document(text) == words


def test_a_query_has_the_words_of_its_document():
    """Whatever is in a document, each word of the same text as a query is a word of the document."""
    text = "os.scandir lists \u6771\u4eac\u90fd, Python\u5165\u9580 and running C++ jobs of readHTTPBody"
    for analyser in (PLAIN, ENGLISH):
        assert set(analyser.query(text)) <= set(analyser.document(text))


def test_endings_and_stop_words_go_by_language():
    """A language's stemmer joins forms of a word, and its stop words are in documents, but not looked for."""
    assert ENGLISH.query("the connections of running jobs") == ["connect", "run", "job"]
    assert "the" in ENGLISH.document("the connections")
    assert Analyser("german").query("die H\u00e4user") == Analyser("german").query("ein Haus")
    assert PLAIN.query("the connections") == ["the", "connections"]


def test_a_query_of_stop_words_alone_keeps_them():
    """Where nothing else is left, stop words are looked for."""
    assert ENGLISH.query("to be or not to be") == ["to", "be", "or", "not"]


def test_scripts_without_spaces_come_in_pairs():
    """Neighbours are words, and in a document each character too, so that a query of one finds it."""
    assert PLAIN.query("\u6771\u4eac\u90fd") == ["\u6771\u4eac", "\u4eac\u90fd"]
    assert PLAIN.query("\u732b") == ["\u732b"]
    assert set(PLAIN.document("\u9ed2\u3044\u732b")) >= {"\u732b", "\u9ed2\u3044", "\u3044\u732b"}


def test_a_long_run_is_cut_on_both_sides():
    """A blob is a word of its first characters, so it can be found and is no burden."""
    blob = "a1" * 5000
    assert PLAIN.document(blob) == PLAIN.query(blob) == [blob[:128]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_takes_texts_apart(language: str):
    """Each language that is offered has what it needs."""
    assert Analyser(language).query("xylophone 42")
