"""The `shortlist` command: which commands there are. Each is imported once it is asked for."""

import sys
from collections.abc import Sequence

from shortlist.console import ending
from shortlist.console.extras import needs

# In the order in which they are first used. What is imported is the command of that name.
COMMANDS = {
    "finetune": "finetune:COMMAND",
    "export": "export:COMMAND",
    "tune": "tune:COMMAND",
    "serve": "serve:COMMAND",
    "key": "keys:COMMAND",
    "index": "index:COMMAND",
    "search": "search:COMMAND",
    "rerank": "rerank:COMMAND",
    "describe": "describe:COMMAND",
    "top": "top:COMMAND",
    "collections": "collections:COMMAND",
    "get": "documents:GET",
    "update": "documents:UPDATE",
    "delete": "documents:DELETE",
    "count": "documents:COUNT",
    "reindex": "reindex:COMMAND",
    "token-vectors": "token_vectors:COMMAND",
    "snapshot": "snapshots:SNAPSHOT",
    "restore": "snapshots:RESTORE",
    "verify": "verify:COMMAND",
    "eval": "eval:COMMAND",
    "bench": "bench:COMMAND",
}

_HELP = """\
Two-stage retrieval: a dual encoder shortlists documents, a cross-encoder picks the best of them.

`shortlist COMMAND --help` describes a command and its settings. Each setting is a flag, a variable SHORTLIST_...,
and a key in the command's table of the TOML file that --config names."""

_EXAMPLES = """\
shortlist export sentence-transformers/all-MiniLM-L6-v2 --out bundles/embedder
shortlist export cross-encoder/ms-marco-MiniLM-L6-v2 --out bundles/reranker
shortlist serve --embedder bundles/embedder --reranker bundles/reranker
shortlist index --collection notes notes/
shortlist search --collection notes "how do I renew the certificate?\""""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return ending.of(" ".join(["shortlist", *given[:1]]), lambda: _run(given))


def _run(arguments: Sequence[str]) -> int:
    with needs("shortlist", "command"):
        from shortlist.console import command_line  # noqa: PLC0415 (the client alone does not have what it imports)

    if arguments[:1] == ["index"]:  # cyclopts takes a lone - for a flag
        arguments = ["/dev/stdin" if one == "-" else one for one in arguments]
    app = command_line.program("shortlist", COMMANDS, _EXAMPLES, help=_HELP)
    for place, (name, path) in enumerate(COMMANDS.items()):
        app.command(f"shortlist.cli.{path}", name=name, sort_key=place)
    return command_line.run(app, arguments)


if __name__ == "__main__":
    sys.exit(main())
