"""The description of the routes, held against the server: requests drawn from it find nothing that should not be."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from shortlist.bench import local

SUPPORT = Path(__file__).parents[2] / "support"
SCHEMATHESIS = str(Path(sys.executable).with_name("st"))


@pytest.mark.timeout(300)
def test_requests_drawn_from_the_description(tiny, tmp_path: Path):
    """None is answered with a fault of the server's or with what is not described, or is taken though it is wrong."""
    port = local.free_port()
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    options = (*models, "--data", str(tmp_path), "--http-port", str(port), "--log-level", "warning")
    with local.serving(*options):
        http = f"http://127.0.0.1:{port}"
        ended = subprocess.run(
            [
                SCHEMATHESIS,
                "--config-file",
                str(SUPPORT / "schemathesis.toml"),
                "run",
                f"{http}/openapi.json",
                *("--phases", "fuzzing", "--max-examples", "3", "--generation-deterministic", "--no-color"),
            ],
            env=os.environ | {"SHORTLIST_HTTP": http, "PYTHONPATH": str(SUPPORT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
    assert ended.returncode == 0, ended.stdout
    assert " generated, " in ended.stdout


def test_the_page_of_it(server):
    """The page is served beside the description, and both are found from the root."""
    with httpx.Client(base_url=server.http, trust_env=False, follow_redirects=True) as http:
        page = http.get("/docs")
        assert str(page.url) == f"{server.http}/docs/"
        assert 'href="../openapi.json"' in page.text
        described = http.get("/openapi.json").json()
    assert {"/health", "/metrics", "/openapi.json", "/v1/rerank", "/v1/embeddings"} <= set(described["paths"])
