"""The table that an export ends with, of either kind of model."""

from shortlist.export import report
from shortlist.server.runtime.manifest import OUTPUT, File, Kind, Variant


def variant(
    kind: Kind, parity: dict[str, float], times: dict[str, float], *, sizes: tuple[int, ...], missed: str = ""
) -> Variant:
    """Describe a variant by what the table shows."""
    files = tuple(File(f"{place}.onnx", "", size) for place, size in enumerate(sizes))
    return Variant(files, "fp32", ("input_ids",), OUTPUT[kind], True, ("cpu",), parity, missed, times)


def test_an_embedders_table():
    """An embedder shows cosines and neighbours; speed is fp32's time over a variant's, and sizes are of all files."""
    fp32 = {"cosine_mean": 1.0, "cosine_min": 0.99999, "top10_overlap": 1.0, "batch_change_max": 1.2e-7}
    int8 = {"cosine_mean": 0.995, "cosine_min": 0.98, "top10_overlap": 0.9, "batch_change_max": 0.0079}
    variants = {
        "fp32": variant("embedder", fp32, {"16": 100.0, "64": 80.0}, sizes=(1_000_000, 89_000_000)),
        "int8": variant(
            "embedder",
            {**int8, "ndcg10_loss": -0.0002},
            {"16": 50.0, "64": 10.0},
            sizes=(23_040_000,),
            missed="top10_overlap 0.9000 is below 0.98",
        ),
    }
    lines = report.table(variants).splitlines()
    assert lines == [
        "      Speed beside fp32 by tokens, and what changes:",
        "      variant    MB  x 16  x 64  x all   on  cosine mean     min  top-10  nDCG loss  batch change    gate",
        "         fp32  90.0  1.00  1.00   1.00  cpu       1.0000  1.0000   1.000                    1e-07  passed",
        "         int8  23.0  2.00  8.00   4.00  cpu       0.9950  0.9800   0.900    -0.0002         8e-03  failed",
    ]


def test_a_rerankers_table():
    """A reranker shows orders and scores in place of cosines, and what no variant has is no column."""
    variants = {
        "fp32": variant("reranker", {"score_change_max": 5e-7}, {"16": 100.0}, sizes=(1_000_000,)),
        "int8-token": variant(
            "reranker", {"kendall_tau": 0.991, "score_change_max": 0.0312}, {"16": 80.0}, sizes=(400_000,)
        ),
    }
    assert report.table(variants).splitlines()[1:] == [
        "         variant   MB  x 16  x all   on    tau  score change    gate",
        "            fp32  1.0  1.00   1.00  cpu                0.000  passed",
        "      int8-token  0.4  1.25   1.25  cpu  0.991         0.031  passed",
    ]


def test_columns_line_up():
    """Every line is as wide as the others, whatever is left empty."""
    variants = {
        "fp32": variant("embedder", {"cosine_mean": 1.0}, {"16": 1.0, "256": 1.0}, sizes=(10**9,)),
        "int8-static": variant("embedder", {"top10_overlap": 1.0}, {"16": 0.01, "256": 1.0}, sizes=(1,)),
    }
    assert len({len(line) for line in report.table(variants).splitlines()[1:]}) == 1
