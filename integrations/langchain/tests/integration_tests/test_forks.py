"""Objects in processes that are forked, as servers with workers do it; each in an interpreter of its own."""

import os
import subprocess
import sys

import pytest

_PROGRAM = """
import multiprocessing, sys
from langchain_shortlist import ShortlistEmbeddings

embeddings = ShortlistEmbeddings()
called_before = sys.argv[1] == "called"
if called_before:
    embeddings.embed_query("text")
context = multiprocessing.get_context("fork")
answers = context.Queue()
workers = [
    context.Process(target=lambda: answers.put(len(embeddings.embed_query("text"))), daemon=True) for _ in range(2)
]
for worker in workers:
    worker.start()
print(*(answers.get(timeout=60) for _ in workers), len(embeddings.embed_query("text")))
"""


@pytest.mark.parametrize(("before", "support"), [("untouched", "0"), ("called", "1")])
def test_workers_call_the_server(before: str, support: str):
    """Before the first call by themselves, after it where gRPC's support of forks is on."""
    environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": support}
    command = [sys.executable, "-c", _PROGRAM, before]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=True).stdout
    assert shown.split() == ["384"] * 3
