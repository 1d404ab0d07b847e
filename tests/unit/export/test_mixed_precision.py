"""Which products stay fp32: none where none need to, else the worst first, and as few as will do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shortlist.export import graphs, mixed_precision
from shortlist.export.gate import Gate, Judged, Limits, TextGate, encoded
from shortlist.export.inference import Feeds
from shortlist.export.quantization import int8_range, products
from shortlist.export.quantization.token_scaled import Fitting, Quantizer
from shortlist.server.runtime import bundle
from shortlist.server.runtime.tokens import pad
from shortlist.server.settings import Provider


@dataclass
class Strict(TextGate):
    """A gate that passes graphs with at most so many products in int8; changes are measured as ever."""

    inner: Gate
    most: int
    seen: list[int] = field(default_factory=list)

    def judge(self, graph: Path, provider: Provider = "cpu") -> Judged:
        del provider
        kinds = [node.op_type for node in graphs.load(graph).graph.node]
        self.seen.append(kinds.count("QuantizeLinear"))
        return Judged({}, batch_invariant=True, missed="" if self.seen[-1] <= self.most else "too much in int8")

    def change(self, graph: Path, provider: Provider = "cpu") -> float:
        return self.inner.change(graph, provider)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a search needs, made from the tiny embedder."""

    fp32: Path
    calibration: Sequence[Feeds]
    gate: Gate


@pytest.fixture(scope="module")
def setup(make, tiny) -> Setup:
    """Return the tiny embedder's graph, texts to calibrate on, and a real gate that all of its variants pass."""
    loaded = bundle.load(tiny.embedder)
    layout, written = make.parts(loaded)
    calibrating, judges = make.some_texts().halves()
    given = [pad([item], written.pad_token_id) for item in encoded(layout, written, calibrating)]
    real = TextGate(layout, written, judges, Limits(0, -1, 1), loaded.graph("fp32"))
    return Setup(loaded.graph("fp32"), given, real)


@pytest.fixture(scope="module")
def worst(setup: Setup, tmp_path_factory) -> list[tuple[str, str]]:
    """Return names and labels of the products, what each changes alone measured here once more, the worst first."""
    folder = tmp_path_factory.mktemp("worst")
    quantizer = Quantizer(Fitting(setup.fp32, setup.calibration, folder), 0)
    names = [product.name for product in quantizer.products]
    changes = {}
    for product in quantizer.products:
        quantizer.write(folder / "one.onnx", set(names) - {product.name})
        changes[product.name, product.label] = setup.gate.change(folder / "one.onnx")
    assert len(set(changes.values())) == len(changes)
    return sorted(changes, key=lambda product: -changes[product])


TOKENS = f"{int8_range.PRECISION}, one scale a token in 6 of 8 products"  # an attention's input has one for all
NONE = f"{int8_range.PRECISION}, one scale a token in 0 of 8 products"


def searched(setup: Setup, gate: Gate, folder: Path) -> tuple[mixed_precision.Kept, Path, list[str]]:
    """Search, one scale for all tokens before one a token; return what came of it, the graph, and what was said."""
    said: list[str] = []
    target = folder / "int8-token.onnx"
    fitting = Fitting(setup.fp32, setup.calibration, folder)
    quantizers = [Quantizer(fitting, float("inf")), Quantizer(fitting, -1)]
    kept = mixed_precision.fewest_in_fp32(quantizers, target, gate, "cpu", folder, said.append)
    return kept, target, said


def left_in_fp32(graph: Path) -> set[str]:
    """Return the names of the products that a graph has in fp32."""
    return {product.name for product in products.find(graphs.load(graph))}


def test_nothing_is_left_out_where_all_of_it_passes(setup: Setup, tmp_path: Path):
    """The fastest variant that passes whole is judged once, searched no further and said nothing of."""
    kept, target, said = searched(setup, setup.gate, tmp_path)
    assert kept.precision == NONE
    assert kept.judged.missed == ""
    assert kept.judged.parity["top10_overlap"] > 0.5
    assert (left_in_fp32(target), said) == (set(), [])


def test_a_more_careful_quantizer_is_tried_before_any_product_stays_fp32(setup: Setup, tmp_path: Path):
    """Where one scale for all tokens fails and one a token passes, the latter is kept whole."""

    class Careful(Strict):
        def judge(self, graph: Path, provider: Provider = "cpu") -> Judged:
            missed = "" if any(node.op_type == "ReduceMax" for node in graphs.load(graph).graph.node) else "coarse"
            return Judged({}, batch_invariant=True, missed=missed)

    kept, target, said = searched(setup, Careful(setup.gate, most=0), tmp_path)
    assert (kept.precision, kept.judged.missed, left_in_fp32(target)) == (TOKENS, "", set())
    assert said == [f"      Tried {NONE}: coarse; going on more carefully"]


@pytest.mark.parametrize("count", [1, 2])
def test_the_worst_are_left_out_first(setup: Setup, worst: list[tuple[str, str]], tmp_path: Path, count: int):
    """As few of the worst products as pass stay fp32, and the precision names them in that order."""
    strict = Strict(setup.gate, most=len(worst) - count)
    kept, target, said = searched(setup, strict, tmp_path)
    labels = ", ".join(label for _, label in worst[:count])
    assert kept.precision == f"{TOKENS}; fp32: {labels}"
    assert kept.judged.missed == ""
    assert left_in_fp32(target) == {name for name, _ in worst[:count]}
    assert strict.seen == [len(worst), *(len(worst) - left for left in range(count + 1))]
    assert said == [
        f"      Tried {NONE}: too much in int8; going on more carefully",
        f"      Tried {TOKENS}: too much in int8; going on more carefully",
        f"      Looking for the products that lose most: 0 of {len(worst)} tried",
        *(f"      Tried {left} of {len(worst)} products in fp32: too much in int8" for left in range(1, count)),
        f"      Passes with {count} of {len(worst)} products in fp32: {labels}",
    ]


def test_where_no_number_passes_all_is_quantized(setup: Setup, worst: list[tuple[str, str]], tmp_path: Path):
    """A gate that nothing passes is left with everything in int8 and its first verdict, which is told."""
    strict = Strict(setup.gate, most=-1)
    kept, target, said = searched(setup, strict, tmp_path)
    assert (kept.precision, kept.judged.missed) == (NONE, "too much in int8")
    assert left_in_fp32(target) == set()
    assert strict.seen == [8, 8, 7, 6]
    assert said[-1] == "      No 2 products left in fp32 make it pass"


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [1]), (4, [1]), (8, [1, 2]), (24, [1, 2, 3, 4]), (48, [1, 2, 3, 4, 10]), (96, [1, 2, 3, 4, 16])],
)
def test_counts_end_at_a_quarter(count: int, expected: list[int]):
    """One by one at first, then in steps of an eighth, and never more than a quarter of the products."""
    assert mixed_precision._counts(count) == expected
