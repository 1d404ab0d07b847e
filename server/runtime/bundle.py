"""The bundle: one model as `shortlist export` writes it and the server loads it.

A bundle is a folder:

    manifest.json     what `manifest.py` describes, as JSON
    tokenizer.json    a `tokenizers` file; of its truncation only the side counts, of its padding nothing: the
                      manifest decides
    fp32.onnx         one graph a variant (and its `*.onnx_data` where it is over 2 GB)
    int8-token.onnx

The variant bf16 has no file of its own: it is fp32.onnx, which the provider runs in bf16.

The graphs hold everything up to the last number: pooling, dense layers and normalization of an embedder are in its
graph (`embedding`, float32 [batch, dimensions]), and a reranker's graph ends in one logit a pair (`logit`, float32
[batch]). A late-interaction model's graph ends in a vector for every token (`token_vectors`, float32 [batch,
sequence, dimensions]); which of them count, and what goes before and behind the graph, is in the manifest.

This module reads and checks; it knows neither onnxruntime nor how a bundle is made.
"""

from dataclasses import dataclass
from pathlib import Path

from shortlist.server.errors import BundleError

from .manifest import MANIFEST, File, Kind, Manifest


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk whose manifest was read."""

    path: Path
    manifest: Manifest

    def graph(self, variant: str) -> Path:
        """Return the path of a variant's graph."""
        return self.path / self.manifest.variants[variant].files[0].name

    @property
    def tokenizer(self) -> Path:
        """Return the path of `tokenizer.json`."""
        return self.path / self.manifest.tokenizer.name

    @property
    def max_tokens(self) -> int:
        """The window, special tokens included."""
        return self.manifest.max_tokens

    def verify(self, variant: str) -> None:
        """Compare the tokenizer and the files of one variant with their hashes.

        Raises:
            BundleError: the variant is not in the bundle, or a file is missing or has changed.
        """
        if variant not in self.manifest.variants:
            raise BundleError(
                f"bundle {self.path} has no variant {variant!r}; it has {', '.join(self.manifest.variants)}"
            )
        for expected in (self.manifest.tokenizer, *self.manifest.variants[variant].files):
            path = self.path / expected.name
            if not path.is_file():
                raise BundleError(f"bundle {self.path} misses its file {expected.name}; export the model again")
            found = File.of(path)
            if found != expected:
                raise BundleError(
                    f"bundle {self.path}: {expected.name} is not the file that was exported (SHA-256"
                    f" {found.sha256[:12]}..., manifest {expected.sha256[:12]}...); export the model again"
                )


def load(path: Path, kind: Kind | None = None) -> Bundle:
    """Read a bundle's manifest; `Bundle.verify` checks the files of the variant that will run.

    Args:
        path: the bundle's folder.
        kind: what the bundle must be; None takes any.

    Raises:
        BundleError: there is no bundle, its manifest is damaged, or it is of another kind.
    """
    manifest_path = path / MANIFEST
    if not manifest_path.is_file():
        if (path / "config.json").is_file():
            raise BundleError(
                f"{path} is a model, not a bundle; make one of it with `shortlist export {path} --out ...`"
            )
        raise BundleError(f"no bundle at {path} ({MANIFEST} is not there); make one with `shortlist export`")
    try:
        text = manifest_path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise BundleError(f"{manifest_path} cannot be read ({error}); export the model again") from error
    try:
        manifest = Manifest.from_json(text)
    except BundleError as error:
        raise BundleError(f"bundle {path}: {error}") from error
    if kind is not None and manifest.kind != kind:
        swapped = "late-interaction" not in (kind, manifest.kind)
        remedy = "swap the two settings?" if swapped else f"name a bundle that was exported with --kind {kind}"
        raise BundleError(f"bundle {path} is of kind {manifest.kind}, but kind {kind} is needed; {remedy}")
    return Bundle(path, manifest)
