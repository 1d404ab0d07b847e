"""Which part of a text is shown for a query."""

import pytest

from shortlist.cli import excerpt

CERTIFICATE = """\
Our gateway runs on two machines. Each has a load balancer in front of it, which nobody has touched for years.

## Certificates

They are made by the internal authority. To renew one, run `gateway certs` on the first machine
and wait for the second to follow. Nothing needs a restart.

- Logs go to /var/log.
- Backups are made at night."""


def shown(query, text=CERTIFICATE, room=60, most=2, title=""):
    """Return what is shown of a text that is the only one found."""
    return excerpt.lines(text, excerpt.terms(query, [text]), room, most, title)


def marked(query, text):
    """Return the words that are marked."""
    return [text[begin:end] for begin, end in excerpt.spans(text, excerpt.terms(query, [text]))]


def test_the_sentence_with_the_words_of_the_query():
    """The excerpt begins where the query's words are, in other forms too, and says what it left out."""
    assert shown("how do I renew certificates?") == [
        "... ## Certificates They are made by the internal authority.",
        "To renew one, run `gateway certs` on the first machine ...",
    ]
    assert shown("which machine runs the renewal of certs") == [
        "... To renew one, run `gateway certs` on the first machine",
        "and wait for the second to follow. Nothing needs a ...",
    ]


def test_no_word_occurs():
    """Of a text that answers in other words the beginning is shown."""
    assert shown("expired TLS keys")[0] == "Our gateway runs on two machines. Each has a load balancer"


def test_short_texts_are_whole():
    """What fits is shown whole, on lines without the text's own breaks."""
    assert shown("renew", "Renew it.\nThen\n\nwait.") == ["Renew it. Then wait."]


def test_the_end_brings_what_is_before_it():
    """Where the best sentence is the last, the room is used for those before it."""
    assert shown("backups at night") == [
        "... Nothing needs a restart. - Logs go to /var/log. -",
        "Backups are made at night.",
    ]


def test_rare_words_decide():
    """A word that every text has tells less than one that few have."""
    texts = ["The server starts. The server listens on a port.", "The server stops.", "The server waits."]
    query = excerpt.terms("server port", texts)
    assert query.worth["port"] > query.worth["serv"] > 0
    assert excerpt.lines(texts[0] + " It is old.", query, 30, 1)[0].startswith("... The server listens")


def test_words_of_questions_count_only_alone():
    """Words such as "how" and "the" are no reason to show a sentence, unless nothing else was asked for."""
    assert marked("how do I stop the server", "How the server does stop") == ["server", "stop"]
    assert marked("who are you", "You are the one who asks") == ["You", "are", "who"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("read", ["reads", "reading", "Reader"]),
        ("dictionaries", ["dictionary", "Dictionary"]),
        ("caching", ["cache", "cached", "caches"]),
        ("stop", ["stopped", "stopping", "stops"]),
        ("file", ["files"]),
        ("classes", ["class"]),
        ("call", ["called", "calling"]),
        ("use", ["used", "using", "uses"]),
        ("resume", ["R\u00e9sum\u00e9", "resume\u0301s"]),
    ],
)
def test_other_forms_of_a_word(asked, found):
    """Forms of one word are the same word."""
    assert marked(asked, " ".join(found)) == found


@pytest.mark.parametrize(
    ("asked", "text"),
    [("read", "ready bread"), ("class", "clan classic"), ("nation", "station"), ("port", "report portal")],
)
def test_words_that_only_look_alike(asked, text):
    """Words are not compared by how they begin or end."""
    assert marked(asked, text) == []


def test_names_in_code():
    """The parts of a name with underscores and dots are words."""
    assert marked("read csv", "pandas.read_csv(path)") == ["read", "csv"]


def test_scripts_without_spaces():
    """Where no spaces part words, two neighbours of the query are marked."""
    assert marked("東京の天気", "昨日の東京都は天気が良い") == ["東京", "天気"]
    assert marked("서울 날씨", "서울의 날씨는 맑다") == ["서울", "날씨"]
    assert shown("天気", "東京は日本の首都です。" * 3 + "今日の天気は晴れです。" + "川が流れる。" * 5, 24, 1) == [
        "... 今日の天気は晴れ ..."
    ]


def test_marks_inside_of_words():
    """Vowel signs are parts of words."""
    assert marked("हिन्दी", "यह हिन्दी है") == ["हिन्दी"]


def test_a_sentence_longer_than_the_room():
    """In a long sentence the excerpt begins a little before the words."""
    text = " ".join(f"word{number}" for number in range(200)) + " the needle is here " + "and so on " * 50
    (line,) = shown("needle", text, 60, 1)
    assert "the needle is here" in line
    assert line.startswith("... word")
    assert line.endswith(" ...")


def test_the_title_is_before_it():
    """A title is shown first, and cut where it would take the room."""
    assert shown("backups", title="Gateway", most=1) == ["Gateway | ... - Backups are made at night."]
    assert shown("backups", title="x" * 100, most=1)[0].startswith("x" * 27 + "... | ")


@pytest.mark.parametrize(("text", "lines"), [("", []), (" \n ", []), ("---\n|---|", ["--- |---|"])])
def test_texts_without_words(text, lines):
    """A text without words is shown as it is."""
    assert shown("anything", text) == lines


@pytest.mark.parametrize("room", [30, 47, 73, 113])
@pytest.mark.parametrize("query", ["renew", "backups", "nobody", "nothing of it"])
def test_it_fits(room, query):
    """No line is wider than the room, and there are no more than asked for."""
    lines = shown(query, CERTIFICATE * 20, room, 3, "A title")
    assert len(lines) == 3
    assert all(len(line) <= room for line in lines)


def test_sentences_keep_their_ends():
    """Quotes and brackets behind a full stop stay, and no space comes between where there was none."""
    assert shown("stop", 'He said "stop." (And left.) Then') == ['He said "stop." (And left.) Then']
    assert shown("首都", "東京は首都です。川が流れる。") == ["東京は首都です。川が流れる。"]


@pytest.mark.parametrize(
    "text", ["error " * 150_000, "a. " * 300_000, "error" * 200_000, "\n" * 900_000, ") " * 450_000]
)
@pytest.mark.timeout(20)
def test_texts_that_are_one_crowd(text):
    """A megabyte of one word, of full stops or of line ends takes no longer than others."""
    assert len(shown("error a", text)) <= 2


def test_a_megabyte():
    """A text as large as texts may be is looked through whole."""
    text = "nothing of interest here. " * 40_000 + "The needle is at the end."
    assert "The needle is at the end." in shown("needle", text)[-1]
