"""What an export found, as a table for the terminal."""

from collections.abc import Mapping

from shortlist.console import tables
from shortlist.server.runtime import variant_timings
from shortlist.server.runtime.manifest import Variant

_MEGABYTE = 1_000_000
# What each column shows; a variant has those of its kind of model.
_FIGURES = (
    ("cosine mean", "cosine_mean", ".4f"),
    ("min", "cosine_min", ".4f"),
    ("top-10", "top10_overlap", ".3f"),
    ("tau", "kendall_tau", ".3f"),
    ("score change", "score_change_max", ".3f"),
    ("MaxSim change", "maxsim_change_max", ".4f"),
    ("nDCG loss", "ndcg10_loss", ".4f"),
    ("batch change", "batch_change_max", ".0e"),
)


def table(variants: Mapping[str, Variant]) -> str:
    """Return a line a variant: size, speed beside fp32 by length, what it changes, where, and whether it passed."""
    lengths = next(iter(variants.values())).ns_per_token
    shown = [column for column in _FIGURES if any(column[1] in one.parity for one in variants.values())]
    header = [
        "variant",
        "MB",
        *(f"x {length}" for length in lengths),
        "x all",
        "on",
        *(title for title, _, _ in shown),
        "gate",
    ]
    base = variants["fp32"].ns_per_token
    rows = []
    for name, one in variants.items():
        times = [f"{base[length] / one.ns_per_token[length]:.2f}" for length in lengths]
        whole = f"{variant_timings.typical(base) / variant_timings.typical(one.ns_per_token):.2f}"
        figures = [format(one.parity[key], form) if key in one.parity else "" for _, key, form in shown]
        size = f"{sum(file.bytes for file in one.files) / _MEGABYTE:.1f}"
        rows.append([name, size, *times, whole, one.measured_on, *figures, "passed" if one.passed else "failed"])
    lines = tables.grid(header, rows, right=True)
    return "\n".join(["      Speed beside fp32 by tokens, and what changes:", *(f"      {line}" for line in lines)])
