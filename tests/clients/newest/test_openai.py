"""OpenAI's SDK: embeddings in both encodings, models, and its errors."""

import asyncio

import openai
import pytest

from overload import LONG, at_once
from recorded_bodies import PASSAGES, QUERY

pytestmark = pytest.mark.client("openai", points="base_url=ORIGIN/v1, api_key=ANY")

MODEL = "text-embedding-3-small"


@pytest.fixture
def client(origin: str) -> openai.OpenAI:
    """Return a client."""
    return openai.OpenAI(base_url=f"{origin}/v1", api_key="none", max_retries=0)


def test_embeddings(client, truth):
    """`embeddings.create`, which asks for base64: to the last bit what gRPC says, in order, with token counts."""
    answer = client.embeddings.create(model=MODEL, input=PASSAGES)
    assert [one.embedding for one in answer.data] == [list(vector) for vector in truth.vectors]
    assert [one.index for one in answer.data] == list(range(len(PASSAGES)))
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > len(PASSAGES)


def test_floats(client, truth):
    """The same as numbers, of one text alone, and as of a query where `input_type` says so."""
    kind = {"input_type": "query"}
    answer = client.embeddings.create(model=MODEL, input=QUERY, encoding_format="float", extra_body=kind)
    assert answer.data[0].embedding == pytest.approx(truth.query, abs=1e-7)


def test_dimensions(client, truth):
    """`dimensions`: the first elements, of length 1 again."""
    (vector,) = [
        one.embedding for one in client.embeddings.create(model=MODEL, input=PASSAGES[0], dimensions=64).data
    ]
    cut = truth.vectors[0][:64]
    length = sum(value * value for value in cut) ** 0.5
    assert vector == pytest.approx([value / length for value in cut], abs=1e-6)


async def embed_async(origin: str) -> list[list[float]]:
    """Embed by the asynchronous client."""
    async with openai.AsyncOpenAI(base_url=f"{origin}/v1", api_key="none") as client:
        answer = await client.embeddings.create(model=MODEL, input=PASSAGES)
    return [one.embedding for one in answer.data]


def test_async(origin, truth):
    """`AsyncOpenAI`."""
    assert asyncio.run(embed_async(origin)) == [list(vector) for vector in truth.vectors]


def test_models(client):
    """`models.list` and `models.retrieve`, by a name with a slash in it too; `NotFoundError` of any other."""
    listed = list(client.models.list())
    assert {model.model_type for model in listed} == {"embedding", "rerank"}
    for model in listed:
        assert client.models.retrieve(model.id) == model
    with pytest.raises(openai.NotFoundError) as raised:
        client.models.retrieve("some/other")
    assert raised.value.code == "model_not_found"


def test_bad_requests(client):
    """`BadRequestError`, with field and remedy: no text, an empty one, too many dimensions, tokens for texts."""
    cases = [
        ({"input": []}, "input", "at least one"),
        ({"input": [""]}, "input[0]", "white space"),
        ({"input": "text", "dimensions": 100_000}, "dimensions", "elements"),
        ({"input": [[1, 2, 3]]}, "input[0]", "check_embedding_ctx_length=False"),
        ({"input": [1, 2, 3]}, "input[0]", "check_embedding_ctx_length=False"),
    ]
    for body, field, told in cases:
        with pytest.raises(openai.BadRequestError) as raised:
            client.embeddings.create(model=MODEL, **body)
        assert raised.value.param == field
        assert told in raised.value.message


def test_too_many(client):
    """A status of 413 where there are more texts than one call takes."""
    with pytest.raises(openai.APIStatusError) as raised:
        client.embeddings.create(model=MODEL, input=["text"] * 1001)
    assert raised.value.status_code == 413


def test_deadline(client):
    """A status of 504 where the caller's time is too short, and it says so in a header."""
    with pytest.raises(openai.InternalServerError) as raised:
        client.embeddings.create(model=MODEL, input=LONG, extra_headers={"x-shortlist-timeout-ms": "1"})
    assert raised.value.status_code == 504


def test_overloaded(client):
    """`RateLimitError` with the time to come back where the queue is full; with retries all calls are answered."""
    errors = at_once(lambda: client.embeddings.create(model=MODEL, input=LONG))
    refused = [error for error in errors if isinstance(error, openai.RateLimitError)]
    assert refused
    assert all(float(error.response.headers["retry-after-ms"]) > 0 for error in refused)
    patient = client.with_options(max_retries=50)
    assert at_once(lambda: patient.embeddings.create(model=MODEL, input=LONG)) == []
