"""What `shortlist describe` says of models."""

import pytest

from shortlist.cli import describe
from shortlist.client.description import Agreement, ModelDescription


@pytest.mark.parametrize(
    ("agreement", "told"),
    [
        (None, []),
        (Agreement(0, 0.0, 0.0), ["  beside fp32: nothing compared yet"]),
        (
            Agreement(1, 0.9, 0.0123),
            ["  beside fp32: 90.0% of the first 10 in common, differences up to 0.012 (1 sample)"],
        ),
        (
            Agreement(256, 0.9871, 0.0006),
            ["  beside fp32: 98.7% of the first 10 in common, differences up to 0.001 (256 samples)"],
        ),
    ],
)
def test_agreement_with_fp32_is_told(agreement: Agreement | None, told: list[str]):
    """A model has a line more where the server compares its variant with fp32."""
    model = ModelDescription(
        "m", "", "int8", "CPUExecutionProvider", 256, 3, "f", ("fp32", "int8"), 0.0, 0.0, agreement
    )
    lines = describe._model("embedder", model)
    assert lines[4:] == told
    assert lines[3] == "  fingerprint: f"
