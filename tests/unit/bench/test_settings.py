"""What `shortlist bench` refuses before it asks a server for anything."""

from pathlib import Path

import pytest

from parsed import parsed
from shortlist.bench.request_settings import DEFAULT_MIX
from shortlist.bench.settings import BenchSettings
from shortlist.cli.main import main
from shortlist.console.errors import UsageError


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"clients": (1,), "rates": (2,)}, "a loop is closed or open"),
        ({"clients": (1, "two")}, 'Invalid value for --clients: unable to convert "two" into int.'),
        ({"clients": (0,)}, 'Invalid value "(0,)" for --clients. Must be 1 to 1000.'),
        ({"clients": (1.5,)}, 'Invalid value for --clients: unable to convert "1.5" into int.'),
        ({"clients": (1, 2000)}, 'Invalid value "(1, 2000)" for --clients. Must be 1 to 1000.'),
        ({"rates": (-1,)}, 'Invalid value "(-1.0,)" for --rates. Must be > 0.'),
        ({"rates": ("nan",)}, 'Invalid value for --rates: unable to convert "nan" into float.'),
        ({"passages": 0}, 'Invalid value "0" for --passages. Must be 1 to 1000.'),
        ({"passages": 1001}, 'Invalid value "1001" for --passages. Must be 1 to 1000.'),
        ({"tolerance": 0.0}, 'Invalid value "0.0" for --tolerance.'),
        ({"max_windows": 2}, "max_windows is 2, but agreeing is 3"),
        ({"deadline_ms": 0.0}, 'Invalid value "0.0" for --deadline-ms.'),
        ({"load": "search", "passages": 5}, "top_k is 10, but a search returns its 5 passages at most"),
        ({"mix": {"search": 1}}, "give --load mixed, or leave mix out"),
        ({"load": "mixed", "mix": {"fetch": 1}}, "mix has 'fetch', but kinds of requests are rerank,"),
        ({"load": "mixed", "mix": {"search": "x"}}, 'Invalid value for --mix: unable to convert "x" into int.'),
        ({"load": "mixed", "mix": {"search": 0}}, "for --mix. Must be 1 to 1000."),
        ({"embedder": Path("e")}, "reranker is not set"),
        ({"serve_options": {"slots": 1}}, "give embedder and reranker too"),
        ({"embedder": Path("e"), "reranker": Path("r"), "collection": "notes"}, "leave it out"),
        ({"plot": Path("plot.pdf")}, "plot is plot.pdf, but it must end in .png"),
        ({"plot": Path("nowhere/plot.png")}, "there is no folder nowhere"),
        ({"timeout_s": 0.0}, "timeout_s"),
    ],
)
def test_bad_settings(given, told):
    """The setting, its value and the remedy are named."""
    with pytest.raises(UsageError) as caught:
        parsed(BenchSettings, **given)
    assert told in str(caught.value)


def test_the_loop_follows_from_what_is_given():
    """Clients make a closed loop, rates an open one, neither a sweep over clients."""
    assert (BenchSettings().client_levels(), BenchSettings().rates) == ((1, 2, 4, 8), ())
    assert parsed(BenchSettings, clients=(3, 6)).client_levels() == (3, 6)
    opened = parsed(BenchSettings, rates=(0.5, 20))
    assert (opened.client_levels(), opened.rates) == ((), (0.5, 20.0))


def test_shares():
    """A load is one kind of requests, or the mix that is given, or all kinds."""
    assert BenchSettings(load="dense").shares() == {"dense": 1}
    assert BenchSettings(load="mixed").shares() == DEFAULT_MIX
    assert BenchSettings(load="mixed", mix={"ingest": 1, "search": 8}).shares() == {"search": 8, "ingest": 1}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--load", "ingest", "--queries", "queries.jsonl"), "ingest wants passages"),
        (("--load", "search", "--queries", "queries.jsonl"), "give --corpus or --collection too"),
        (("--passages", "161"), "passages is 161, but the texts that ship has 160 for a query"),
    ],
)
def test_texts_that_are_too_few(arguments, told, tmp_path, monkeypatch, capsys):
    """What a load cannot be made of is told before a server is asked."""
    monkeypatch.chdir(tmp_path)
    Path("queries.jsonl").write_text('{"_id": "1", "text": "a query"}\n')
    assert main(("bench", "--address", "127.0.0.1:1", *arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("shortlist bench: ")
    assert told in line


def test_help_tells_of_both_loops(capsys):
    """--help describes the loops, the windows and the texts, and every setting has its variable."""
    assert main(("bench", "--help")) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for word in ("closed loop", "open loop", "SHORTLIST_RATES", "--candidates FILE", "Ctrl-C", "--mix KIND=N,KIND=N"):
        assert word in shown
