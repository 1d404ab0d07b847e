"""Generate the Python stubs of the protos, or check that they are up to date.

python proto/generate.py            write them
python proto/generate.py --check    exit 1 if they differ from what would be written
"""

import shutil
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

HERE = Path(__file__).parent
PROTOS = ("retrieval.proto", "tei.proto")


def generate(out: Path) -> list[Path]:
    """Write the stubs below `out` and return their paths."""
    # protoc finds mypy-protobuf's plugins on PATH, or where it is told: beside this interpreter.
    plugins = Path(sys.executable).parent
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    arguments = [
        "protoc",
        # Mapped, so that the generated code says `from shortlist.proto import ...`.
        f"-Ishortlist/proto={HERE}",
        f"-I{well_known}",
        f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_out={out}",
        f"--mypy_grpc_out={out}",
        *(f"shortlist/proto/{proto}" for proto in PROTOS),
    ]
    if code := protoc.main(arguments):
        sys.exit(code)
    return sorted((out / "shortlist" / "proto").iterdir())


def main() -> int:
    """Write or check the stubs; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        generated = generate(Path(folder))
        if sys.argv[1:] != ["--check"]:
            for path in generated:
                shutil.copy(path, HERE / path.name)
            return 0
        stale = [
            path.name
            for path in generated
            if not (HERE / path.name).is_file() or (HERE / path.name).read_bytes() != path.read_bytes()
        ]
    if stale:
        print(f"{', '.join(stale)}: not what the protos generate; run `make stubs`", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
