"""Fixtures of the services."""

import pytest

from shortlist.server.app import Components
from shortlist.server.rpc.deadlines import Deadlines
from shortlist.server.rpc.inference import Inference, describe
from shortlist.server.rpc.services import Retrieval


@pytest.fixture
def retrieval(components: Components) -> Retrieval:
    """Return the service of collections."""
    return Retrieval(components.pipeline, Deadlines(30.0, 0.015))


@pytest.fixture
def inference(components: Components) -> Inference:
    """Return the service of the models alone."""
    return Inference(components.pipeline, Deadlines(30.0, 0.015), describe(components.pipeline, 1, 2))
