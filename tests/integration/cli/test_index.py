"""`shortlist index` against a gRPC server that answers as each test tells it to."""

import json
import re
import signal
import subprocess
import sys
import threading

import grpc

from fake_server import Refusal
from shortlist.bench import local
from shortlist.cli import main
from shortlist.proto import retrieval_pb2 as pb


def test_index_sends_every_document_once(scripted, target, taking, corpus, capsys):
    """All documents arrive in one stream, in a collection that is made first."""
    assert main.main(["index", *target, "--json", corpus(130)]) == 0
    assert taking.streams == [[str(number) for number in range(130)]]
    assert [(one.name, one.exist_ok) for one in scripted.asked("CreateCollection")] == [("notes", True)]
    result = json.loads(capsys.readouterr().out)
    counts = ("collection", "documents", "inserted", "updated", "unchanged", "truncated", "refused", "repeated")
    assert [result[name] for name in counts] == ["notes", 130, 130, 0, 0, 0, 0, 0]


def test_a_bad_line_fails_no_other(target, taking, corpus, capsys):
    """A line that is no document is named by file and line with the reason; the rest is indexed, and exit code 1."""
    path = corpus(100, '{"id": "x"}', '{"id": "100", "text": "last"}', '{"id": "3", "text": "another"}')
    assert main.main(["index", *target, "--json", path]) == 1
    assert taking.streams == [[str(number) for number in range(101)]]
    told = capsys.readouterr()
    result = json.loads(told.out)
    assert (result["documents"], result["refused"]) == (101, 2)
    assert told.err == (
        "note: 2 documents were refused; of their files nothing is removed:\n"
        f"  {path}:101: line: got ['id'], but it has no 'text'; add it: a string\n"
        f"  {path}:103: id: got '3', but {path}:4 has another document with this id; give each its own id\n"
    )


def test_a_document_that_the_server_refuses(scripted, target, taking, corpus, capsys):
    """What the server says of one document is told by its file and line; of the file nothing is removed."""

    def fate(document):
        if document.id != "4":
            return pb.IngestResult(outcome=pb.INGEST_OUTCOME_UPDATED)
        refusal = pb.Refusal(reason="NO_TOKENS", field="text", message="text: got 'text 4', but no token is left")
        return pb.IngestResult(outcome=pb.INGEST_OUTCOME_REFUSED, refusal=refusal)

    taking.fate = fate
    scripted.defaults.update(ListSources=stale, List=stale)
    path = corpus(10)
    assert main.main(["index", *target, path]) == 1
    told = capsys.readouterr()
    assert told.err.splitlines()[1] == f"  {path}:5: text: got 'text 4', but no token is left"
    assert told.out.endswith(": 0 new, 9 replaced, 0 unchanged, 0 removed, 1 refused\n")
    assert scripted.asked("Delete") == []


def test_index_sends_nothing_if_a_file_is_none_of_documents(scripted, target, corpus, tmp_path, capsys):
    """A last file that does not begin with a document is found before the first is sent."""
    path = tmp_path / "other.json"
    path.write_text('{"name": "package"}')
    assert main.main(["index", *target, corpus(100), str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"shortlist index: {path}:1: line: got ['name'], but it has no 'id'")
    assert [name for name, _ in scripted.requests] == ["Describe"]


def test_index_leaves_no_empty_collection_behind(scripted, target):
    """Standard input is checked as it comes: where nothing of it can be indexed, no collection was made."""
    command = [sys.executable, "-m", "shortlist.cli.main", "index", *target, "-"]
    for given, told in (
        ('{"id": "b"}\n', "standard input:1: line: got ['id'], but it has no 'text'"),
        ('{"id": "a", "text": " "}\n', "-: no document is in there; nothing was changed"),
        ("\n", "-: no document is in there; nothing was changed"),
    ):
        result = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.splitlines()[-1].startswith(f"shortlist index: {told}")
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
    assert main.main(["index", *target, "--json", corpus(10)]) == 0
    names = [name for name, _ in scripted.requests if name not in {"Describe", "Ingest"}]
    assert names == ["CreateCollection", "ListSources", "List", "Delete"]
    assert scripted.requests[-4][0] == "Ingest"
    assert sorted(scripted.asked("Delete")[0].ids) == ["10", "11"]
    assert json.loads(capsys.readouterr().out)["removed"] == 2


def test_index_deletes_nothing_if_it_fails(scripted, target, corpus):
    """Where the stream fails, nothing that was there before is touched."""
    scripted.defaults.update(ListSources=stale, List=stale)
    scripted.answers["Ingest"].extend([scripted.defaults["Ingest"], Refusal(grpc.StatusCode.INTERNAL)])
    assert main.main(["index", *target, corpus(10)]) == 1
    assert {name for name, _ in scripted.requests} == {"Describe", "CreateCollection", "Ingest"}


def test_index_asks_little_for_much(scripted, target, tmp_path):
    """Sources are asked for once for many files, and ids of those only that have too many."""
    for number in range(60):
        (tmp_path / f"{number}.jsonl").write_text(json.dumps({"id": str(number), "text": "text"}))
    assert main.main(["index", *target, *map(str, sorted(tmp_path.iterdir()))]) == 0
    assert [request.below for request in scripted.asked("ListSources")] == [""]
    assert scripted.asked("List") == []


def test_index_leaves_the_collection_alone_if_told(scripted, target, corpus, capsys):
    """With --no-create, a collection that is not there is an error."""
    scripted.answers["Ingest"].append(Refusal(grpc.StatusCode.NOT_FOUND, "no collection 'notes'"))
    assert main.main(["index", *target, "--no-create", corpus(1)]) == 1
    assert capsys.readouterr().err == "shortlist index: no collection 'notes'\n"
    assert scripted.asked("CreateCollection") == []


def test_index_reads_standard_input(target, taking):
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
    assert taking.streams == [["a", "b"]]


def test_index_interrupted(scripted, target, taking):
    """Ctrl-C ends the command at once, even while the server is silent, says what is done and how to go on."""
    over = threading.Event()

    def silent_after_128(request):
        answer = taking(request)
        return answer if taking.count <= 128 else over.wait(30) and answer

    scripted.defaults["Ingest"] = silent_after_128
    # More than are sent without an answer, and far more than a pipe holds: once all are written, some were answered.
    lines = [json.dumps({"id": str(n), "text": "text", "metadata": {"pad": "x" * 4096}}) + "\n" for n in range(1100)]
    command = [sys.executable, "-m", "shortlist.cli.main", "index", *target, "-"]
    with local.Process(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdin.writelines(lines)
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    over.set()
    assert process.returncode == 130
    done = int(re.match(r"stopped after ([\d,]+) documents", told)[1].replace(",", ""))
    assert 0 < done <= 128
    assert told == (
        f"stopped after {done} documents, which are indexed: {done} new, 0 replaced, 0 unchanged. The same command"
        " continues: documents that are there already are not embedded again.\n"
    )
