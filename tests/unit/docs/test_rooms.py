"""The picture of the rooms in docs/architecture.md is that of the code."""

import rooms


def test_the_picture_is_of_this_code():
    """What `make rooms` prints stands in docs/architecture.md as it is, and no room imports one above it."""
    page = (rooms.ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert f"```\n{rooms.picture()}\n```" in page
