"""The training itself: sentence-transformers' CrossEncoderTrainer, told what it needs to know.

Padding costs as much as text, so batches hold lists of about the same length, and a forward pass holds pairs of about
the same length. What bounds a step is then the processor's matrix products: docs/finetuning.md has the figures.
"""

import json
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import set_peft_model_state_dict
from peft.utils import load_peft_weights
from safetensors.torch import load_file
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback

from . import models
from .errors import FinetuneError
from .lists import TrainingList
from .quality import Evaluator
from .settings import FinetuneSettings
from .students import Student

_WINDOW_BATCHES = 40  # batches whose lists are sorted by length together; the rest stays shuffled
_ASKED = "asked.json"

CARD = "README.md"  # of a model that is finished
CHECKPOINTS = "checkpoints"  # folder of what an interrupted run goes on from


def train(
    settings: FinetuneSettings,
    student: Student,
    lists: Sequence[TrainingList],
    evaluator: Evaluator,
    progress: Callable[[str], None],
) -> int:
    """Train, from the last checkpoint in `settings.out` if there is one; leave the best weights in the model.

    Returns:
        The steps that were taken.
    """
    folder = settings.out / CHECKPOINTS
    trainer = _Trainer(
        model=student.model,
        args=_arguments(settings, student, evaluator),
        train_dataset=Dataset.from_dict(
            {
                "query": [one.query for one in lists],
                "passages": [one.passages for one in lists],
                "labels": [one.targets for one in lists],
            }
        ),
        loss=student.loss,
        evaluator=evaluator,
        callbacks=[_Progress(progress), EarlyStoppingCallback(early_stopping_patience=settings.patience)],
    )
    trainer.remove_callback(PrinterCallback)
    last = max(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), default=None)
    if last:
        progress(f"Continuing from {last.name}")
    with warnings.catch_warnings():
        # PEFT looks for the base's vocabulary, under a name that only `shortlist` resolves; no adapter changes it.
        warnings.filterwarnings("ignore", message="Could not find a config file in")
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
    return int(trainer.state.global_step)


def claim(settings: FinetuneSettings) -> None:
    """Note in the output's folder what was asked for, so that only the same run continues it.

    Raises:
        FinetuneError: a finished model, or another run's checkpoints, are there.
    """
    if (settings.out / CARD).exists():
        raise FinetuneError(f"{settings.out} holds a finished model; name another folder with --out")
    folder = settings.out / CHECKPOINTS
    path, asked = folder / _ASKED, json.dumps(shown(settings), indent=2) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") != asked:
        raise FinetuneError(
            f"{folder} holds checkpoints of a run with other settings; give the same settings to continue it,"
            " or name another folder with --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(asked, encoding="utf-8")


def shown(settings: FinetuneSettings) -> dict[str, object]:
    """Return the settings as JSON has them; of paths only the last two parts, which mean something elsewhere."""
    return {name: _shown(getattr(settings, name)) for name in settings.__slots__}


def _shown(value: object) -> object:
    if isinstance(value, tuple):
        return [_shown(one) for one in value]
    if isinstance(value, Path) or (isinstance(value, str) and value.startswith(("/", "."))):
        return "/".join(Path(value).parts[-2:])
    return value


def _arguments(settings: FinetuneSettings, student: Student, evaluator: Evaluator) -> CrossEncoderTrainingArguments:
    return CrossEncoderTrainingArguments(
        output_dir=str(settings.out / CHECKPOINTS),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_lists,
        learning_rate=settings.rate,
        learning_rate_mapping={part: times * settings.rate for part, times in student.faster.items()},
        warmup_ratio=0.05,
        lr_scheduler_type="linear",
        weight_decay=0.01,
        max_grad_norm=1.0,
        seed=settings.seed,
        data_seed=settings.seed,
        bf16=models.has_bf16(),
        use_cpu=not torch.cuda.is_available(),  # else the trainer refuses bf16 where there is no GPU
        batch_sampler=_LikeLengths,
        eval_strategy="steps",
        eval_steps=settings.evaluate_every,
        save_strategy="steps",
        save_steps=settings.evaluate_every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{evaluator.primary_metric}",
        greater_is_better=True,
        logging_steps=max(1, min(settings.evaluate_every // 5, 10)),
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


class _Trainer(CrossEncoderTrainer):
    """A trainer that loads an adapter's checkpoint into the model that is there.

    The trainer would build a second model from the checkpoint, whose adapter names a base that only we resolve. It
    serves both kinds of model: unlike that of dual encoders it hands texts to the loss as they are, which sorts them.
    """

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Save what a run goes on from, without the card that the library would write by running the model."""
        del state_dict
        self.model.save_pretrained(output_dir or str(self.args.output_dir), create_model_card=False)

    def _load_best_model(self) -> None:
        """Load the best weights; where they cannot be read, the library would go on with the last ones."""
        self._load_from_checkpoint(str(self.state.best_model_checkpoint))

    def _load_from_checkpoint(self, checkpoint_path: str, model: Any = None) -> None:
        del model  # transformers' own trainer may bring one; sentence-transformers' knows better
        if models.is_adapter(self.model):
            set_peft_model_state_dict(models.inner(self.model), load_peft_weights(checkpoint_path, device="cpu"))
            for place, module in enumerate(list(self.model)[1:], 1):  # the projection of a late-interaction model
                path = Path(checkpoint_path) / f"{place}_{type(module).__name__}" / "model.safetensors"
                module.load_state_dict(load_file(path))
        else:
            super()._load_from_checkpoint(checkpoint_path)


class _Progress(TrainerCallback):
    """A callback that reports loss and figures, a line each."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Have the last step measured too: the trainer passes it over, and the best weights are often its."""
        del args, more
        control.should_evaluate |= state.global_step >= state.max_steps

    def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Report the loss."""
        del args, control
        if "loss" in more["logs"]:
            self._progress(f"step {state.global_step} of {state.max_steps}: loss {more['logs']['loss']:.4f}")

    def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Report the figures of every panel."""
        del args, control
        figures = {name.removeprefix("eval_"): value for name, value in more["metrics"].items() if "ndcg" in name}
        told = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in figures.items())
        self._progress(f"step {state.global_step}: {told}")


class _LikeLengths(DefaultBatchSampler):
    """Batches of rows of like length, in random order: only stretches of shuffled rows are sorted by length."""

    def __init__(self, dataset: Dataset, batch_size: int, drop_last: bool, *, seed: int = 0, **_: Any) -> None:
        super().__init__(range(len(dataset)), batch_size=batch_size, drop_last=drop_last)
        self._lengths = [sum(map(len, passages)) for passages in dataset["passages"]]
        self._size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Shuffle differently in each epoch, and the same way when a run is continued."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the rows of each batch."""
        drawn = random.Random(f"{self._seed} {self._epoch}")  # noqa: S311 (training data, no secret)
        rows = drawn.sample(range(len(self._lengths)), len(self._lengths))
        stretch = self._size * _WINDOW_BATCHES
        for start in range(0, len(rows), stretch):
            ordered = sorted(rows[start : start + stretch], key=self._lengths.__getitem__)
            batches = [ordered[at : at + self._size] for at in range(0, len(ordered), self._size)]
            drawn.shuffle(batches)
            yield from batches
