"""Hugging Face's InferenceClient, which posts to the URL that it is given and adds no path."""

import numpy as np
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from overload import LONG
from recorded_bodies import PASSAGES, QUERY, RIGHT

pytestmark = pytest.mark.client("huggingface_hub", points="InferenceClient(ORIGIN), or base_url=ORIGIN/embedder")


def test_feature_extraction(origin, truth):
    """`feature_extraction` of one text and of several."""
    client = InferenceClient(origin)
    assert client.feature_extraction(PASSAGES[0]) == pytest.approx(np.array(truth.vectors[:1]), abs=1e-6)
    several = client.feature_extraction(list(PASSAGES))
    assert several == pytest.approx(np.array(truth.vectors), abs=1e-6)


def test_below_a_path(origin, truth):
    """The same at a path of the embedder alone, in fewer dimensions."""
    client = InferenceClient(base_url=f"{origin}/embedder")
    vector = client.feature_extraction(PASSAGES[0], dimensions=64)
    cut = np.array(truth.vectors[0][:64])
    assert vector[0] == pytest.approx(cut / np.linalg.norm(cut), abs=1e-6)


def test_similarity(origin):
    """`sentence_similarity`: the right passage is nearest."""
    found = InferenceClient(origin).sentence_similarity(QUERY, list(PASSAGES))
    assert int(np.argmax(found)) == RIGHT


def test_too_long(origin):
    """`HfHubHTTPError` with what is wrong, where `truncate` is false and a text does not fit."""
    with pytest.raises(HfHubHTTPError) as raised:
        InferenceClient(origin).feature_extraction(LONG[0], truncate=False)
    assert raised.value.response.status_code == 422
    assert "tokens" in str(raised.value)


def test_info(origin):
    """`health_check` and `get_endpoint_info`, with the provider that has them."""
    client = InferenceClient(origin, provider="hf-inference")
    assert client.health_check()
    assert client.get_endpoint_info()["max_input_length"] > 0
