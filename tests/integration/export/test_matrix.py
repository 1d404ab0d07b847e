"""Every row of docs/models.md, as a tiny model of that shape: exported, run in every variant for CPUs, told truly."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest

import families
import matrix
import reference
import tiny_models
from shortlist.export import prefixes
from shortlist.export.app import run
from shortlist.export.settings import ExportSettings

DOC = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
INT8_COSINE = 0.99
INT8_SCORE_CHANGE = 0.05


def table(heading: str) -> dict[str, dict[str, str]]:
    """Return the rows of the document's table under a heading: first cell -> column -> cell, without backquotes."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", DOC, flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: dict(zip(cells[0], row, strict=True)) for row in cells[2:]}


QUANTIZED = "int8-token"


@pytest.mark.parametrize("row", matrix.ROWS, ids=lambda row: row.folder)
def test_row(row: matrix.Row, tmp_path: Path) -> None:
    """The manifest says what the row says, fp32 computes what sentence-transformers does, the others nearly that."""
    folder = row.make(tmp_path)
    lines: list[str] = []
    bundle = run(str(folder), ExportSettings(out=tmp_path / "bundle", **tiny_models.OPEN_GATE), lines.append)
    manifest = bundle.manifest
    assert set(manifest.variants) == {"fp32", QUANTIZED}
    assert (manifest.kind, manifest.max_tokens) == (row.kind, families.WINDOW)
    operators = {node.op_type for node in onnx.load(bundle.graph("fp32")).graph.node}
    assert ("Attention" in operators) == (row.family in matrix.FUSED)
    typed = row.tokenizer == "" and row.family in families.TYPED
    assert ("token_type_ids" in manifest.variants["fp32"].inputs) == typed
    assert any("names no prefixes" in line for line in lines) == (any(row.prefixes) and not row.prompts)
    if row.kind == "embedder":
        assert (manifest.pooling, manifest.normalized) == (row.pooling, row.normalized)
        assert (manifest.query_prefix, manifest.document_prefix) == row.prefixes
        reference.assert_embeds_like(folder, bundle, row.prefixes)
        fp32 = tiny_models.outputs(bundle, reference.PASSAGES)
        found = tiny_models.outputs(bundle, reference.PASSAGES, QUANTIZED)
        lengths = np.linalg.norm(fp32, axis=1) * np.linalg.norm(found, axis=1)
        assert ((fp32 * found).sum(1) / lengths).mean() > INT8_COSINE
    else:
        assert (manifest.dimensions, manifest.pooling) == (0, "")
        expected = reference.scores(folder)
        assert np.ptp(expected) > 0.02, "scores that are all the same prove nothing"
        for batch in (1, 5):
            found = reference.bundle_scores(bundle, batch)
            np.testing.assert_allclose(found, expected, atol=reference.SCORE_TOLERANCE)
        found = reference.bundle_scores(bundle, variant=QUANTIZED)
        assert np.abs(found - expected).mean() < INT8_SCORE_CHANGE
    assert all(described.batch_invariant for described in manifest.variants.values())


@pytest.mark.parametrize("kind", ["embedder", "reranker"])
def test_the_document_lists_the_rows(kind: str) -> None:
    """Each table of docs/models.md has exactly the rows that are tested here, and says what is tested of them."""
    rows = [row for row in matrix.ROWS if row.kind == kind]
    told = table("Dual encoders" if kind == "embedder" else "Cross-encoders")
    assert [row.name for row in rows] == list(told)
    columns = ["model", "architecture", "pooling", "prefixes", "fused", "tested"]
    for row in rows:
        assert row.told() == [told[row.name][column] for column in columns if column in told[row.name]]
        assert row.folder in told[row.name]["on hubs"]


def test_the_document_lists_the_prefixes() -> None:
    """Every prefix that goes by a name stands in the document, and no other does."""
    told = {cell for row in table("Prefixes").values() for cell in list(row.values())[1:] if cell}
    assert told == {text for known in prefixes.KNOWN for text in (known.query, known.document) if text}


def test_the_document_lists_the_architectures() -> None:
    """The table of architectures is that of the tests, and each of them is in some row."""
    told = table("Architectures")
    assert list(told) == list(families.FAMILIES)
    for name, family in families.FAMILIES.items():
        expected = (
            family.algorithm,
            "yes" if name in families.TYPED else "no",
            "yes" if name in matrix.FUSED else "no",
        )
        assert tuple(told[name][column] for column in ("tokenizer", "token types", "fused")) == expected
    assert {row.family for row in matrix.ROWS} == set(families.FAMILIES)
