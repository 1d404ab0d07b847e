"""`shortlist index` against a gRPC server that answers as each test tells it to."""

import json
import signal
import subprocess
import sys
import threading

import grpc

from fake_server import Refusal
from shortlist.cli import main
from shortlist.proto import retrieval_pb2 as pb


def test_index_sends_every_document_once(scripted, target, corpus, capsys):
    """All documents arrive, in batches of the size that was asked for, in a collection that is made first."""
    assert main.main(["index", *target, "--batch-size", "64", "--json", corpus(130)]) == 0
    batches = [[document.id for document in request.documents] for request in scripted.asked("Upsert")]
    assert sorted(map(len, batches)) == [2, 64, 64]
    assert {one for batch in batches for one in batch} == {str(number) for number in range(130)}
    assert [(one.name, one.exist_ok) for one in scripted.asked("CreateCollection")] == [("notes", True)]
    result = json.loads(capsys.readouterr().out)
    counts = ("collection", "documents", "inserted", "updated", "unchanged", "truncated", "repeated")
    assert [result[name] for name in counts] == ["notes", 130, 130, 0, 0, 0, 0]


def test_index_sends_nothing_if_a_line_is_bad(scripted, target, corpus, capsys):
    """A bad last line is found before the first is sent, and before the collection is made."""
    path = corpus(100, '{"id": "x"}')
    assert main.main(["index", *target, path]) == 2
    assert capsys.readouterr().err.startswith(f"shortlist index: {path}:101: line: got ['id'], but it has no 'text'")
    assert [name for name, _ in scripted.requests] == ["Describe"]


def test_index_leaves_no_empty_collection_behind(scripted, target):
    """Standard input is checked as it comes: where its first lines cannot be read, no collection was made."""
    command = [sys.executable, "-m", "shortlist.cli.main", "index", *target, "-"]
    for given, told in (
        ('{"id": "a", "text": "A"}\n{"id": "b"}\n', "standard input:2: line: got ['id'], but it has no 'text'"),
        ("\n", "-: no document is in there; nothing was changed"),
    ):
        result = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith(f"shortlist index: {told}")
    assert {name for name, _ in scripted.requests} == {"Describe"}


def test_index_of_nothing_is_no_success(scripted, target, tmp_path, capsys):
    """A file without a document ends the command, named; beside others it is a note."""
    (tmp_path / "empty.jsonl").touch()
    assert main.main(["index", *target, str(tmp_path)]) == 2
    assert capsys.readouterr().err == (f"shortlist index: {tmp_path}: no document is in there; nothing was changed\n")
    assert [name for name, _ in scripted.requests] == ["Describe"]
    (tmp_path / "full.jsonl").write_text('{"id": "a", "text": "A"}')
    assert main.main(["index", *target, "--json", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert told.err == f"note: 1 files hold no document:\n  {tmp_path}/empty.jsonl\n"
    assert json.loads(told.out)["empty"] == 1


def test_index_names_what_it_skips(target, tmp_path, capsys):
    """What a folder has that is not for it is counted and named, and the rest is indexed."""
    (tmp_path / "a.jsonl").write_text('{"id": "a", "text": "A"}')
    for number in range(12):
        (tmp_path / f"p{number:02}.json").write_text('{"name": "package"}')
    (tmp_path / "code.py").touch()
    assert main.main(["index", *target, "--json", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert (json.loads(told.out)["documents"], json.loads(told.out)["skipped"]) == (1, 12)
    head, *named, more, kinds = told.err.splitlines()
    assert head == "note: 12 files were skipped, since they are not for it; --exclude leaves them out:"
    assert len(named) == 10
    assert named[0] == f"  {tmp_path}/p00.json:1: line: got ['name'], but it has no 'id'; add it: a string"
    assert more == "  ... and 2 more"
    assert kinds == (
        "note: 1 files of other kinds were passed over (.py 1); to read them as text, name them: --include '*.py'"
    )


def stale(request):
    """Answer that a source has documents beside those that were sent."""
    if isinstance(request, pb.ListSourcesRequest):
        return pb.ListSourcesResponse(sources=[pb.Source(name=request.below, documents=12)])
    return pb.ListResponse(documents=[pb.Document(id=str(number), source=request.source) for number in range(12)])


def test_index_deletes_after_the_last_acknowledgement(scripted, target, corpus, capsys):
    """What a file does not hold any more goes, and nothing is asked or deleted before all that it holds is there."""
    scripted.defaults.update(ListSources=stale, List=stale, Delete=lambda request: pb.DeleteResponse(deleted=2))
    assert main.main(["index", *target, "--batch-size=2", "--json", corpus(10)]) == 0
    names = [name for name, _ in scripted.requests if name != "Describe"]
    assert names == ["CreateCollection", *["Upsert"] * 5, "ListSources", "List", "Delete"]
    assert sorted(scripted.asked("Delete")[0].ids) == ["10", "11"]
    assert json.loads(capsys.readouterr().out)["removed"] == 2


def test_index_deletes_nothing_if_it_fails(scripted, target, corpus):
    """Where a single upsert fails, nothing that was there before is touched."""
    scripted.defaults.update(ListSources=stale, List=stale)
    scripted.answers["Upsert"].extend([scripted.defaults["Upsert"], Refusal(grpc.StatusCode.INTERNAL)])
    assert main.main(["index", *target, "--batch-size=2", "--in-flight=1", corpus(10)]) == 1
    assert {name for name, _ in scripted.requests} == {"Describe", "CreateCollection", "Upsert"}


def test_index_asks_little_for_much(scripted, target, tmp_path):
    """Sources are asked for once for many files, and ids of those only that have too many."""
    for number in range(60):
        (tmp_path / f"{number}.jsonl").write_text(json.dumps({"id": str(number), "text": "text"}))
    assert main.main(["index", *target, *map(str, sorted(tmp_path.iterdir()))]) == 0
    assert [request.below for request in scripted.asked("ListSources")] == [""]
    assert scripted.asked("List") == []


def test_index_leaves_the_collection_alone_if_told(scripted, target, corpus, capsys):
    """With --no-create, a collection that is not there is an error."""
    scripted.answers["Upsert"].append(Refusal(grpc.StatusCode.NOT_FOUND, "no collection 'notes'"))
    assert main.main(["index", *target, "--no-create", corpus(1)]) == 1
    assert capsys.readouterr().err == "shortlist index: no collection 'notes'\n"
    assert scripted.asked("CreateCollection") == []


def test_index_keeps_several_calls_in_flight(scripted, target, corpus):
    """As many calls as were asked for are under way at once."""
    together = threading.Barrier(3, timeout=30)

    def answer(request):
        together.wait()
        return pb.UpsertResponse(inserted=len(request.documents))

    scripted.defaults["Upsert"] = answer
    assert main.main(["index", *target, "--batch-size=1", "--in-flight=3", corpus(6)]) == 0


def test_index_reads_standard_input(scripted, target):
    """Documents that come through a pipe are indexed, and notes about them stay off standard output."""
    lines = (
        '{"_id": "a", "text": "A", "url": "u"}\n{"_id": "b", "text": "B", "url": "u"}\n{"_id": "a", "text": "A"}\n'
    )
    command = [sys.executable, "-m", "shortlist.cli.main", "index", *target, "--json", "-"]
    result = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0
    assert json.loads(result.stdout)["documents"] == 2
    assert result.stderr.splitlines() == [
        "note: 1 documents came again and were left out",
        "note: not indexed: url; put under metadata what searches are to return",
    ]
    assert [document.id for request in scripted.asked("Upsert") for document in request.documents] == ["a", "b"]


def test_index_interrupted(scripted, target, corpus):
    """Ctrl-C ends the command at once, even while the server is silent, and says how to go on."""
    reached, over = threading.Event(), threading.Event()
    scripted.answers["Upsert"].extend([scripted.defaults["Upsert"], lambda _: reached.set() or over.wait(30)])
    command = [sys.executable, "-m", "shortlist.cli.main", "index", *target, "--batch-size=10", "--in-flight=1"]
    with subprocess.Popen([*command, corpus(100)], stderr=subprocess.PIPE, text=True) as process:
        assert reached.wait(30)
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    over.set()
    assert process.returncode == 130
    assert told == (
        "stopped after 10 documents, which are indexed. The same command continues: documents that are there already"
        " are not embedded again.\n"
    )
