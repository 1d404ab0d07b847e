"""The contract between export and server: what is written is read, and damage is named."""

import json
from pathlib import Path

import msgspec
import pytest

from shortlist.server.errors import BundleError
from shortlist.server.runtime import bundle
from shortlist.server.runtime.manifest import File, Kind, LateInteraction, Manifest, Source, Variant

RULES = {
    "layout": "pylate",
    "similarity": "maxsim",
    "query": {"max_tokens": 32, "marker": 1, "expansion": {"token": 103, "length": 32, "attended": False}},
    "document": {"max_tokens": 180, "marker": 2, "skipped": [5, 6]},
}


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Write the files of a bundle and return the manifest that is true of them."""
    for name in ("tokenizer.json", "fp32.onnx", "fp32.onnx_data"):
        (tmp_path / name).write_text(f"content of {name}")
    graph = tuple(File.of(tmp_path / name) for name in ("fp32.onnx", "fp32.onnx_data"))
    made = Manifest(
        kind="embedder",
        source=Source("model", "", "BertModel", "00"),
        max_tokens=256,
        dimensions=384,
        pooling="mean",
        normalized=True,
        query_prefix="query: ",
        document_prefix="",
        pad_token_id=0,
        tokenizer=File.of(tmp_path / "tokenizer.json"),
        variants={
            "fp32": Variant(graph, "fp32", ("input_ids",), "embedding", True, ("cpu",), {"cosine_min": 1.0}, "", {})
        },
        tools={"onnxruntime": "1"},
        processor="a processor",
        texts="some texts",
    )
    (tmp_path / "manifest.json").write_text(made.to_json())
    return made


def test_what_is_written_is_read(manifest: Manifest, tmp_path: Path):
    """A manifest comes back equal, and its files pass their check."""
    loaded = bundle.load(tmp_path, "embedder")
    assert loaded.manifest == manifest
    assert loaded.graph("fp32") == tmp_path / "fp32.onnx"
    loaded.verify("fp32")


@pytest.mark.parametrize("name", ["tokenizer.json", "fp32.onnx", "fp32.onnx_data"])
def test_every_file_of_a_variant_is_checked(manifest: Manifest, tmp_path: Path, name: str):
    """A changed or missing file is named, external data included."""
    loaded = bundle.load(tmp_path)
    (tmp_path / name).write_text(f"Content of {name}")
    with pytest.raises(BundleError, match=f"{name} is not the file that was exported"):
        loaded.verify("fp32")
    (tmp_path / name).unlink()
    with pytest.raises(BundleError, match=f"misses its file {name}"):
        loaded.verify("fp32")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": None}, r"Expected `int`, got `null` - at `\$\.max_tokens`"),
        ({"dimensions": True}, r"Expected `int`, got `bool` - at `\$\.dimensions`"),
        ({"kind": "generator"}, r"Invalid enum value 'generator' - at `\$\.kind`"),
        (
            {"colour": "red"},
            "unknown field `colour`.*; export the model again, or use the shortlist that exported it",
        ),
        ({"format_version": 2}, "has format 2, this version reads 3"),
        ({"format_version": 4}, "has format 4, this version reads 3"),
        ({"variants": []}, "is damaged"),
        ({"max_tokens": 2}, r"Expected `int` >= 8 - at `\$\.max_tokens`"),
        ({"max_tokens": -5}, r"Expected `int` >= 8 - at `\$\.max_tokens`"),
        ({"dimensions": 0}, "dimensions is 0 for kind embedder"),
        ({"kind": "late-interaction"}, "late_interaction is None for kind late-interaction"),
        ({"late_interaction": RULES}, "late_interaction is .* for kind embedder"),
        ({"late_interaction": {**RULES, "layout": "elsewhere"}}, "Invalid enum value 'elsewhere'"),
        (
            {"late_interaction": {**RULES, "query": {"max_tokens": 2}}},
            r"at `\$\.late_interaction\.query\.max_tokens`",
        ),
        ({"pad_token_id": -1}, r"Expected `int` >= 0 - at `\$\.pad_token_id`"),
    ],
)
def test_damage_is_named(manifest: Manifest, change: dict, message: str):
    """A wrong type, value, field or format is refused by name."""
    raw = json.loads(manifest.to_json())
    with pytest.raises(BundleError, match=message):
        Manifest.from_json(json.dumps({**raw, **change}))


def late(manifest: Manifest) -> Manifest:
    """Return the manifest of a late-interaction model with the same files."""
    variants = {"fp32": msgspec.structs.replace(manifest.variants["fp32"], output="token_vectors")}
    rules = msgspec.convert(RULES, LateInteraction)
    return msgspec.structs.replace(manifest, kind="late-interaction", variants=variants, late_interaction=rules)


def test_the_rules_of_token_vectors_are_kept(manifest: Manifest):
    """A late-interaction model's manifest comes back equal, and its fingerprint follows its rules."""
    made = late(manifest)
    assert Manifest.from_json(made.to_json()) == made
    query = msgspec.structs.replace(made.late_interaction.query, marker=3)
    other = msgspec.structs.replace(
        made, late_interaction=msgspec.structs.replace(made.late_interaction, query=query)
    )
    assert len({one.fingerprint("fp32") for one in (manifest, made, other)}) == 3


@pytest.mark.parametrize(
    ("found", "wanted", "remedy"),
    [
        ("late-interaction", "embedder", "name a bundle that was exported with --kind embedder"),
        ("late-interaction", "reranker", "name a bundle that was exported with --kind reranker"),
        ("embedder", "late-interaction", "name a bundle that was exported with --kind late-interaction"),
        ("embedder", "reranker", r"swap the two settings\?"),
    ],
)
def test_another_kind_is_refused_by_name(manifest: Manifest, tmp_path: Path, found: str, wanted: Kind, remedy: str):
    """A bundle in the wrong place is told with both kinds and what to do."""
    made = late(manifest) if found == "late-interaction" else manifest
    (tmp_path / "manifest.json").write_text(made.to_json())
    with pytest.raises(BundleError, match=f"is of kind {found}, but kind {wanted} is needed; {remedy}"):
        bundle.load(tmp_path, wanted)
    assert bundle.load(tmp_path).manifest == made


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"format_version": 3}'])
def test_what_is_no_manifest(text: str):
    """Anything that is not a manifest is refused, not a traceback."""
    with pytest.raises(BundleError, match=r"manifest\.json is damaged"):
        Manifest.from_json(text)


@pytest.mark.parametrize(
    "change",
    [
        {"max_tokens": 128},
        {"pooling": "cls"},
        {"normalized": False},
        {"query_prefix": ""},
        {"document_prefix": "passage: "},
        {"source": Source("model", "", "BertModel", "01")},
        {"tokenizer": File("tokenizer.json", "beef", 1)},
    ],
)
def test_the_fingerprint_follows_what_decides_the_numbers(manifest: Manifest, change: dict):
    """Whatever makes other vectors makes another fingerprint."""
    assert msgspec.structs.replace(manifest, **change).fingerprint("fp32") != manifest.fingerprint("fp32")


@pytest.mark.parametrize(
    "change",
    [
        {"tools": {"onnxruntime": "2"}},
        {"created_at": "2030-01-01"},
        {"source": Source("elsewhere/model", "main", "BertModel", "00")},
    ],
)
def test_the_fingerprint_outlives_a_new_export(manifest: Manifest, change: dict):
    """The same weights exported again, by newer tools or from another place, keep their collections."""
    assert msgspec.structs.replace(manifest, **change).fingerprint("fp32") == manifest.fingerprint("fp32")


def test_a_bundle_of_a_newer_version_is_named(tmp_path: Path):
    """Of a server's two bundles, the one that cannot be read is told by its folder."""
    (tmp_path / "manifest.json").write_text('{"format_version": 99}', encoding="utf-8")
    with pytest.raises(BundleError, match=rf"^bundle {tmp_path}: manifest\.json has format 99, this version reads"):
        bundle.load(tmp_path)
