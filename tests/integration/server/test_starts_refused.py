"""What keeps a server from starting is one line and exit code 2."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from shortlist.bench import local
from shortlist.client import Client, Document

WAIT_S = 60


def refused(options: list[str]) -> str:
    """Start a server that must not start, and return the one line it says."""
    command, environment = [local.SHORTLIST, "serve", *options], {**os.environ, "SHORTLIST_PORT": "0"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)
    lines = [line for line in ended.stderr.splitlines() if " INFO " not in line]
    assert (ended.returncode, ended.stdout, len(lines)) == (2, "", 1), ended.stderr
    assert "Traceback" not in ended.stderr
    return lines[0]


def edit(path: Path, change: Callable[[dict], None]) -> None:
    """Change a manifest in place."""
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_a_missing_bundle(options: list[str], tmp_path: Path):
    """Without a bundle the server says where it looked and how to make one."""
    shutil.rmtree(tmp_path / "embedder")
    assert "no bundle at" in refused(options)


def test_a_missing_graph(options: list[str], tmp_path: Path):
    """A bundle without the graph of its variant is refused by the file's name."""
    (tmp_path / "reranker" / "int8-token.onnx").unlink()
    assert "misses its file int8-token.onnx" in refused([*options, "--reranker-variant", "int8-token"])


def test_a_graph_that_changed(options: list[str], tmp_path: Path):
    """A graph with one byte changed is refused by its hash."""
    path = tmp_path / "reranker" / "int8-token.onnx"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "int8-token.onnx is not the file that was exported" in refused(
        [*options, "--reranker-variant", "int8-token"]
    )


def test_another_model_s_tokenizer(options: list[str], tmp_path: Path):
    """A tokenizer of another model is refused, since it would ruin every score silently."""
    path = tmp_path / "embedder" / "tokenizer.json"
    path.write_text(path.read_text().replace('"version"', ' "version"', 1))
    assert "tokenizer.json is not the file that was exported" in refused(options)


def test_a_damaged_manifest(options: list[str], tmp_path: Path):
    """A manifest that is not JSON, misses a field or has a wrong type is refused."""
    path = tmp_path / "embedder" / "manifest.json"
    sound = path.read_text()
    path.write_text(sound[:100])
    assert "manifest.json is damaged" in refused(options)
    path.write_text(sound)
    edit(path, lambda manifest: manifest.pop("max_tokens"))
    assert "max_tokens" in refused(options)
    path.write_text(sound)
    edit(path, lambda manifest: manifest.update(max_tokens="many"))
    assert "Expected `int`, got `str` - at `$.max_tokens`" in refused(options)


def test_a_newer_bundle(options: list[str], tmp_path: Path):
    """A bundle of a later format is refused with both numbers."""
    edit(tmp_path / "embedder" / "manifest.json", lambda manifest: manifest.update(format_version=9))
    assert "has format 9, this version reads 3" in refused(options)


def test_the_bundles_swapped(options: list[str]):
    """A reranker in the embedder's place is refused by its kind."""
    swapped = [options[0], options[3], options[2], options[1], *options[4:]]
    assert "is of kind reranker, but kind embedder is needed" in refused(swapped)


@pytest.mark.parametrize(("place", "kind"), [(1, "embedder"), (3, "reranker")])
def test_a_late_interaction_model_in_another_s_place(options: list[str], make, tmp_path: Path, place: int, kind: str):
    """A bundle of token vectors is refused by its kind, whichever setting names it."""
    import late_models  # noqa: PLC0415 (it imports torch)

    bundle = make.export(late_models.stanford(tmp_path / "model"), tmp_path / "late")
    options[place] = str(bundle.path)
    said = refused(options)
    assert f"is of kind late-interaction, but kind {kind} is needed" in said
    assert f"name a bundle that was exported with --kind {kind}" in said


def test_a_variant_that_is_not_there(options: list[str]):
    """A variant that the bundle does not hold is refused with those it does."""
    assert "has no variant 'int4'; it has fp32, int8-token" in refused([*options, "--reranker-variant", "int4"])


def test_a_provider_that_is_not_there(options: list[str]):
    """A provider that is not installed stops the start; nothing falls back to the CPU."""
    line = refused([*options, "--provider", "tensorrt"])
    assert "provider tensorrt is not there" in line
    assert "'.[gpu]'" in line


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--provider-options", "device_id=1"], "sets device_id, but provider cpu has no options"),
        (["--provider", "cuda", "--provider-options", "trt_fp16_enable=1"], "precision follows from"),
    ],
)
def test_what_a_provider_has_no_choice_of(options: list[str], given: list[str], message: str):
    """An option that the provider does not have stops the start."""
    assert message in refused([*options, *given])


def test_a_port_in_use(options: list[str]):
    """A port that something listens on is refused by its number."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused([*options, "--port", str(port)])
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use; stop what listens there" in line


def test_an_address_of_another_machine(options: list[str]):
    """An address that is not this machine's is refused with the system's reason."""
    assert "cannot listen on 192.0.2.1:0: Cannot assign requested address" in refused(
        [*options, "--host", "192.0.2.1"]
    )


def test_a_second_server_does_not_share_a_port(options: list[str], tmp_path: Path):
    """Two servers cannot have one port: the second would get half of the first one's calls."""
    with local.serving(*options) as address:
        second = [*options[:4], "--data", str(tmp_path / "other"), "--port", address.rsplit(":", 1)[1]]
        assert f"cannot listen on {address}" in refused(second)


def test_a_data_folder_in_use(options: list[str]):
    """Two servers cannot have one data folder."""
    with local.serving(*options):
        assert "in use by a server" in refused(options)


def test_a_collection_of_another_embedder(options: list[str], tmp_path: Path):
    """A collection of an embedder that is not there stops the start; auto takes the variant that made it."""
    with local.serving(*options, "--embedder-variant", "fp32") as address, Client(address) as client:
        client.create_collection("papers")
        client.upsert("papers", [Document("a", "text")])
    with local.serving(*options) as address, Client(address) as client:
        assert client.get("papers", ["a"]) == (Document("a", "text"),)
        assert client.describe().embedder.variant == "fp32"
    edit(tmp_path / "embedder" / "manifest.json", lambda manifest: manifest.update(document_prefix="passage: "))
    said = refused(options)
    assert "collection papers" in said
    assert "add its bundle with --other-embedders" in said


def test_settings_that_make_no_sense(options: list[str]):
    """A setting outside its range is refused by name and value."""
    assert 'Invalid value "0" for --threads. Must be 1 to 1024.' in refused([*options, "--threads", "0"])


def test_a_graph_that_is_not_what_its_manifest_says(options: list[str], tmp_path: Path):
    """A manifest with a window or a width that the graph does not have is found at start."""
    path = tmp_path / "embedder" / "manifest.json"
    edit(path, lambda manifest: manifest.update(dimensions=7))
    assert "the graph does not run as its manifest says" in refused(options)
    edit(path, lambda manifest: manifest.update(dimensions=32, max_tokens=5000))
    assert "the graph does not run as its manifest says" in refused(options)


def test_a_stranger_in_the_data_folder(options: list[str], tmp_path: Path):
    """A folder that is no collection stops the start by its name, and is left as it was."""
    stranger = tmp_path / "data" / "collections" / "stranger"
    stranger.mkdir(parents=True)
    assert "stranger is no collection" in refused(options)
    assert list(stranger.iterdir()) == []
