"""Documents read out of files, as `shortlist index` reads them, and what they are refused with."""

from dataclasses import replace

import pytest

from shortlist.client.types import Document
from shortlist.reading import sources
from shortlist.reading.reader import Reader
from shortlist.reading.sources import InputError, Selection


def whole(files):
    """Cut each text file into one passage, or none if it is blank."""
    for source, text in files:
        yield source, [Document(f"{source.id_stem}#1", text.strip())] if text.strip() else []


def documents(*paths, reader=None, **selection):
    """Read all documents of some paths, without what says where they came from."""
    return [replace(one, source="") for one in sourced(*paths, reader=reader, **selection)]


def sourced(*paths, reader=None, **selection):
    """Read all documents of some paths."""
    reader = reader or Reader(1 << 20, whole)
    return [read.document for read in reader.documents(sources.find(paths, Selection(**selection)).files)]


def refusal(*paths):
    """Return the message that some paths are refused with."""
    with pytest.raises(InputError) as caught:
        documents(*paths)
    return str(caught.value)
