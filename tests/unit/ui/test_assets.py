"""The page's files by themselves: whole, no script or style in HTML, no other host, no HTML out of texts."""

import re
from pathlib import Path

import pytest

from shortlist.ui import assets

FILES = {name: content.decode() for name, content in assets.files().items()}
HTML = FILES[assets.PAGE]
MODULES = {name: text for name, text in FILES.items() if name.endswith(".js")}
NAMESPACE = "http://www.w3.org/2000/svg"  # a name, which nothing asks for


def named(name: str) -> set[str]:
    """Return the files that a file names."""
    text = FILES[name]
    if name.endswith(".html"):
        return set(re.findall(r'(?:src|href)="([^"#]+)"', text))
    if name.endswith(".css"):
        return set(re.findall(r"url\(([^)]*)\)|@import", text))
    return {one.removeprefix("./") for one in re.findall(r'(?:from|import\()\s*"([^"]+)"', text)}


def test_all_files_are_there_and_used():
    """What the page names is there, and each file is named by one that it needs."""
    seen, waiting = set(), [assets.PAGE]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            assert name in FILES, f"{name} is named, but is not there"
            seen.add(name)
            waiting += named(name)
    assert seen == FILES.keys()
    folder = Path(assets.__file__).parent
    assert {path.name for path in folder.iterdir() if path.suffix in assets.MEDIA_TYPES} == FILES.keys()


def test_modules_come_at_once():
    """The page names every module, so that a browser does not find them one behind the other."""
    assert set(re.findall(r'rel="modulepreload" href="([^"]+)"', HTML)) == MODULES.keys() - {"page.js"}


def test_no_script_or_style_in_html():
    """The policy would not let any run: all script and style are files of their own."""
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:", HTML) == []
    assert re.findall(r"<script[^>]*>([^<]*)</script>", HTML) == [""]
    for name, text in MODULES.items():
        assert re.findall(r"\bstyle:|[\"']style[\"']|setAttribute\([\"']on", text) == [], name


@pytest.mark.parametrize("name", sorted(FILES))
def test_no_other_host(name):
    """No file names another host, but for the namespace of SVG."""
    assert re.findall(r"\b(?:https?|wss?):|[\"'(]//\w", FILES[name].replace(NAMESPACE, "")) == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_texts_never_become_html(name):
    """No module makes HTML or code out of a string."""
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|srcdoc"
    assert re.findall(sinks, MODULES[name]) == []


def test_modules_find_what_they_ask_the_page_for():
    """Each id that a module looks up is in the page once, or made by a module."""
    there = re.findall(r'\sid="([^"]+)"', HTML)
    assert len(there) == len(set(there))
    made = set(re.findall(r'\bid: "([^"]+)"', "".join(MODULES.values())))
    for name, text in MODULES.items():
        assert set(re.findall(r'\bat\("([^"]+)"\)', text)) <= {*there, *made}, name
    for labelled in re.findall(r'\sfor="([^"]+)"', HTML):
        assert labelled in there
