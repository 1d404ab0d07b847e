"""A PEFT adapter: what it holds, and merging it into its base.

PEFT leaves a layer as it was, with a warning, where the adapter's weights have other names than the model's; here
every weight of the adapter must find its place.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.utils import load_peft_weights
from torch import Tensor

from .errors import ExportError
from .silence import quiet

_PREFIX = "base_model.model."
# The last layer of a classification head, by its names in transformers.
_LAST_LAYERS = ("classifier.weight", "classifier.out_proj.weight", "score.weight")


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter's weights."""

    folder: Path
    tensors: dict[str, Tensor]

    def labels(self) -> int | None:
        """Return how many labels its classification head has, if it brings one."""
        found = (self.tensors.get(f"{_PREFIX}{name}") for name in _LAST_LAYERS)
        return next((tensor.shape[0] for tensor in found if tensor is not None), None)

    def holds(self, name: str) -> bool:
        """Return whether the adapter brings the model's weight of that name whole."""
        return f"{_PREFIX}{name}" in self.tensors

    def merged_into(self, model: Any) -> Any:
        """Return the model with the adapter's changes in its own weights.

        Raises:
            ExportError: the adapter was made for another model.
        """
        try:
            with quiet():
                config = PeftConfig.from_pretrained(str(self.folder))
                config.inference_mode = True
                adapted = get_peft_model(model, config)
                wanted = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
                if wanted == set(self.tensors):
                    set_peft_model_state_dict(adapted, self.tensors)
                    return adapted.merge_and_unload()
        except (ValueError, RuntimeError, KeyError) as error:
            raise ExportError(f"adapter {self.folder.name} cannot be merged: {error}") from error
        odd = min(wanted ^ set(self.tensors))
        raise ExportError(
            f"adapter {self.folder.name} does not fit a {type(model).__name__}: {odd} is in only one of the two;"
            " name the base that it was trained on with --base, or say what it is with --kind"
        )


def read(folder: Path) -> Adapter:
    """Read an adapter's weights.

    Raises:
        ExportError: there are none.
    """
    try:
        return Adapter(folder, load_peft_weights(str(folder), device="cpu", local_files_only=True))
    except (OSError, ValueError) as error:
        raise ExportError(f"adapter {folder.name} has no weights that can be read: {error}") from error
