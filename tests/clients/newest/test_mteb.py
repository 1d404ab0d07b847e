"""MTEB's wrappers for models that are served, as `mteb.evaluate` calls them."""

import mteb
import numpy as np
import pytest
from mteb.models import OpenAIAPIEncodeWrapper, OpenAIAPIRerankWrapper
from mteb.types import PromptType

from recorded_bodies import PASSAGES, QUERY

pytestmark = pytest.mark.client("mteb", points="endpoint_url=ORIGIN; the encoder with use_chat_template=False")

WHERE = {"task_metadata": mteb.get_task("NFCorpus").metadata, "hf_split": "test", "hf_subset": "default"}


def batches(*texts: str) -> list[dict[str, list[str]]]:
    """Return texts as a loader yields them."""
    return [{"text": list(texts)}]


def test_encode(origin, truth):
    """`OpenAIAPIEncodeWrapper.encode`; it finds the model's window in /v1/models."""
    model = OpenAIAPIEncodeWrapper(origin, "embedder", use_chat_template=False)
    made = model.encode(batches(*PASSAGES), prompt_type=PromptType.document, show_progress_bar=False, **WHERE)
    assert np.asarray(made) == pytest.approx(np.array(truth.vectors), abs=1e-6)


def test_predict(origin, truth):
    """`OpenAIAPIRerankWrapper.predict` of pairs."""
    model = OpenAIAPIRerankWrapper(origin, "reranker")
    queries, documents = batches(*[QUERY] * len(PASSAGES)), batches(*PASSAGES)
    scores = model.predict(queries, documents, show_progress_bar=False, **WHERE)
    truth.assert_ranking(sorted(enumerate(np.asarray(scores).tolist()), key=lambda one: -one[1]))
