"""The modules of a sentence-transformers MultiVectorEncoder, as modules.json lists them.

    Transformer ▶ Dense, Normalize, ... (on token_embeddings) ▶ MultiVectorMask ▶ HierarchicalTokenPooling

The mask may stand anywhere before the pooling, which comes last.
"""

from dataclasses import dataclass
from typing import Any

from shortlist.export import pooling_config
from shortlist.export.errors import ExportError
from shortlist.export.pooling_config import Step
from shortlist.export.source import Origin, read_json
from shortlist.server.runtime.manifest import TextKind, TokenPooling

_ON = "token_embeddings"
_TASKS = ["document"]  # what a mask and a pooling are for unless they say otherwise
_POOLING = "HierarchicalTokenPooling"
_MASK = "MultiVectorMask"


@dataclass(frozen=True, slots=True)
class Modules:
    """What the modules behind the transformer do."""

    steps: tuple[Step, ...]  # in the graph
    mask: Any  # the mask's configuration; None: there is none
    merging: Any  # the pooling's

    @property
    def masked(self) -> bool:
        """Whether there is a module that says which tokens count."""
        return self.mask is not None

    @classmethod
    def read(cls, origin: Origin, own: Any) -> "Modules":
        """Read a model's modules.

        Raises:
            ExportError: there are none, or one of them cannot be exported.
        """
        if own.get("truncate_dim"):
            raise ExportError(f"{origin.name} has truncate_dim, which late interaction does not; take it out")
        listed = pooling_config.read(origin)
        types = [pooling_config.class_name(entry) for entry in listed]
        if not types or types[0] != "Transformer":
            raise ExportError(
                f"{origin.name} says that it is a MultiVectorEncoder, but its modules.json lists"
                f" {types[0] if types else 'no module'} first, not Transformer; fetch the model again"
            )
        if _POOLING in types and types[-1] != _POOLING:
            raise ExportError(f"{origin.name} has the module {types[-1]} behind {_POOLING}, which must be the last")
        steps: list[Step] = []
        found: dict[str, Any] = {}
        for name, entry in zip(types[1:], listed[1:], strict=True):
            if name in (_MASK, _POOLING):
                found[name] = read_json(pooling_config.folder(origin, entry) / "config.json")
            elif name != "Normalize" or _normalizes(origin, entry):
                step = pooling_config.step(origin, entry, _ON)
                steps += [] if step is None else [step]
        if found.get(_MASK, {}).get("keep_only_token_ids"):
            raise ExportError(
                f"{origin.name} keeps the vectors of some tokens only (keep_only_token_ids), as models for images do;"
                " only text encoders can be exported"
            )
        return cls(tuple(steps), found.get(_MASK), found.get(_POOLING))

    def skipped(self, kind: TextKind) -> tuple[str, ...]:
        """Return the words that do not count in texts of a kind."""
        if self.mask is None or kind not in _tasks(self.mask.get("skiplist_tasks")):
            return ()
        return tuple(self.mask.get("skiplist_words") or ())

    def pooling(self, kind: TextKind) -> TokenPooling | None:
        """Return how the vectors of a text of a kind are merged."""
        if self.merging is None or kind not in _tasks(self.merging.get("tasks")):
            return None
        # sentence-transformers wrote no normalize_embeddings at first, and did not normalize.
        return TokenPooling(
            float(self.merging.get("pool_factor", 1.0)),
            int(self.merging.get("num_protected_tokens", 1)),
            bool(self.merging.get("normalize_embeddings", False)),
        )


def _normalizes(origin: Origin, entry: Any) -> bool:
    """Return whether a Normalize module is one for token vectors; another finds nothing to divide."""
    path = origin.find(f"{entry['path']}/config.json")
    return path is not None and read_json(path).get("module_input_name") == _ON


def _tasks(given: Any) -> list[str]:
    if given is None:
        return _TASKS
    return [given] if isinstance(given, str) else list(given)
