"""Bundles whose variants an export timed, on this processor or on another."""

from pathlib import Path

from shortlist.server import cores
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.manifest import File, Manifest, Source, Variant
from shortlist.server.runtime.variant_timings import Run


def variant(
    name: str, ns_per_token: float, *, providers: tuple[str, ...] = ("cpu", "openvino"), missed: str = ""
) -> Variant:
    """Describe a variant that takes so long, as export measured it."""
    file = File(f"{name}.onnx", f"{name:0<64}", 1)
    times = {"16": ns_per_token, "48": ns_per_token}
    return Variant((file,), name, ("input_ids",), "embedding", True, providers, {}, missed, times)


def bundle(path: Path, variants: dict[str, Variant], processor: str | None = None) -> Bundle:
    """Return a bundle whose variants were timed on this processor, or on the one that is named."""
    manifest = Manifest(
        kind="embedder",
        source=Source("model", "", "BertModel", "00"),
        max_tokens=48,
        dimensions=8,
        pooling="mean",
        normalized=True,
        query_prefix="",
        document_prefix="",
        pad_token_id=0,
        tokenizer=File("tokenizer.json", "00", 1),
        variants=variants,
        tools={},
        processor=processor or cores.processor(),
        texts="some texts",
    )
    return Bundle(path / "bundle", manifest)


THREE = {"fp32": variant("fp32", 3), "int8": variant("int8", 1), "int8-token": variant("int8-token", 2)}


def timed_nothing(name: str) -> Run:
    """Stand in for loading where nothing may be loaded."""
    raise AssertionError(name)
