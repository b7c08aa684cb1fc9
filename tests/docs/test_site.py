"""`make docs`: the site builds, loads nothing from elsewhere, and its index for programs names every page."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.docs.spoken import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
ELSEWHERE = re.compile(r"(?:https?:)?//")
LOADING = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src", "embed": "src",
    "object": "data", "form": "action",
}  # fmt: skip
LINKS_THAT_LOAD = {"stylesheet", "icon", "preload", "preconnect", "dns-prefetch", "modulepreload", "manifest"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` builds it; a broken link or a page that no menu names fails the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


class Loads(HTMLParser):
    """What a page fetches when it is shown. Links that somebody has to follow are not among it."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in LOADING:
            self.urls.append(values.get(LOADING[tag], ""))
        if tag == "link" and LINKS_THAT_LOAD & set(values.get("rel", "").split()):
            self.urls.append(values.get("href", ""))
        self.urls += re.findall(r"url\(([^)]*)\)", values.get("style", ""))


def loaded_by(page: Path) -> list[str]:
    parser = Loads()
    text = page.read_text(encoding="utf-8")
    parser.feed(text)
    styles = re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL)
    return parser.urls + [url for style in styles for url in re.findall(r"url\(([^)]*)\)", style)]


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))

    foreign = {str(page.relative_to(site)): url for page in pages for url in loaded_by(page) if ELSEWHERE.match(url)}

    assert len(pages) >= len(PAGES)
    assert foreign == {}


def test_no_style_loads_anything_from_elsewhere(site: Path) -> None:
    """The theme's script fetches a library for diagrams, and only for a page that has one."""
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))

    assert len(styles) > 10_000
    assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\"']*", styles) == []
    assert [page for page in site.rglob("*.html") if 'class="mermaid"' in page.read_text(encoding="utf-8")] == []


def test_every_file_a_page_loads_is_in_the_site(site: Path) -> None:
    missing = [
        (str(page.relative_to(site)), url)
        for page in site.rglob("*.html")
        if page.name != "404.html"
        for url in loaded_by(page)
        if url and not url.startswith("data:") and not (page.parent / url.partition("?")[0]).is_file()
    ]

    assert missing == []


def test_every_page_is_there_as_markdown_too(site: Path) -> None:
    assert [page for page in PAGES if not (site / page).is_file()] == []
    assert "](../app/" not in (site / "tutorial.md").read_text(encoding="utf-8")


def test_the_index_for_programs_names_every_page_once(site: Path) -> None:
    text = (DOCS / "llms.txt").read_text(encoding="utf-8")
    entries = re.findall(r"^- \[([^\]]+)\]\(([^)]+)\): (.+)$", text, re.MULTILINE)

    assert (site / "llms.txt").read_text(encoding="utf-8") == text
    assert len(entries) == text.count("\n- ")
    assert sorted(page for _, page, _ in entries) == [page for page in PAGES if page != "index.md"]


def test_the_index_for_programs_calls_the_pages_as_the_menu_does() -> None:
    text = (DOCS / "llms.txt").read_text(encoding="utf-8")
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]

    named = {page: name for name, page in _entries(menu) if page in PAGES and page != "index.md"}

    assert named == {page: name for name, page in re.findall(r"^- \[([^\]]+)\]\(([^)]+)\)", text, re.MULTILINE)}


def _entries(menu: list[dict[str, object]]) -> Iterator[tuple[str, str]]:
    for entry in menu:
        for name, value in entry.items():
            if isinstance(value, list):
                yield from _entries(value)
            else:
                yield name, str(value)
