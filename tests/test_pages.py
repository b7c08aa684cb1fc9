"""What no page of ours does, so that its policy can forbid it and user text stays text."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (ROOT / "app/web", ROOT / "localpubsub/web")
PAGES = sorted(file for folder in FOLDERS for file in folder.rglob("*.html"))
SCRIPTS = sorted(file for folder in FOLDERS for file in folder.rglob("*.js"))
SHEETS = sorted(file for folder in FOLDERS for file in folder.rglob("*.css"))

IN_MARKUP = {
    "a script inside": re.compile(r"<script(?![^>]*\bsrc=)", re.IGNORECASE),
    "a style inside": re.compile(r"<style|\sstyle\s*=", re.IGNORECASE),
    "a handler inside": re.compile(r"<[^>]*\son\w+\s*=", re.IGNORECASE),
    "a script as an address": re.compile(r"javascript:", re.IGNORECASE),
    "something from elsewhere": re.compile(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["'](?:https?:)?//"""),
    "a base": re.compile(r"<base\b", re.IGNORECASE),
}
IN_CODE = {
    "text as markup": re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment"),
    "a parser of markup": re.compile(r"DOMParser|setHTMLUnsafe|parseHTMLUnsafe|srcdoc"),
    "text as code": re.compile(r"\beval\(|new Function\b|set(?:Timeout|Interval)\(\s*[\"'`]|javascript:"),
    "a handler as text": re.compile(r"setAttribute\(\s*[\"'`](?:on\w+|style|srcdoc)"),
    "something from elsewhere": re.compile(r"(?:import|from)\s*\(?\s*[\"'](?:https?:)?//"),
    "an answer to a page of anybody": re.compile(r"postMessage\([^)]*[\"']\*[\"']"),
}
IN_SHEETS = {
    "something from elsewhere": re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", re.IGNORECASE),
    "code": re.compile(r"expression\(|javascript:|-moz-binding", re.IGNORECASE),
}


def found(file: Path, forbidden: dict[str, "re.Pattern[str]"]) -> list[str]:
    text = file.read_text(encoding="utf-8")
    return [what for what, pattern in forbidden.items() if pattern.search(text)]


def test_every_page_is_looked_at() -> None:
    assert {"chat.html", "languages.html", "index.html", "docs.html", "console.html"} <= {one.name for one in PAGES}
    assert len(SCRIPTS) > 40
    assert len(SHEETS) > 5


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_a_page_holds_no_code_and_nothing_from_elsewhere(file: Path) -> None:
    assert found(file, IN_MARKUP) == []


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_script_makes_no_markup_and_no_code_of_text(file: Path) -> None:
    assert found(file, IN_CODE) == []


@pytest.mark.parametrize("file", SHEETS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_style_sheet_needs_nothing_from_elsewhere(file: Path) -> None:
    assert found(file, IN_SHEETS) == []


@pytest.mark.parametrize(
    ("text", "forbidden", "what"),
    [
        ("<script>alert(1)</script>", IN_MARKUP, "a script inside"),
        ('<p style="color: red">', IN_MARKUP, "a style inside"),
        ("<img src=x onerror=alert(1)>", IN_MARKUP, "a handler inside"),
        ('<script src="//evil.example/a.js">', IN_MARKUP, "something from elsewhere"),
        ("element.innerHTML = text;", IN_CODE, "text as markup"),
        ("element.setAttribute('onclick', text);", IN_CODE, "a handler as text"),
        ("setTimeout('alert(1)', 5);", IN_CODE, "text as code"),
        ("import 'https://evil.example/a.js';", IN_CODE, "something from elsewhere"),
        ("@import '//evil.example/a.css';", IN_SHEETS, "something from elsewhere"),
    ],
)
def test_what_is_forbidden_is_found(
    tmp_path: Path, text: str, forbidden: dict[str, "re.Pattern[str]"], what: str
) -> None:
    (tmp_path / "a").write_text(text, encoding="utf-8")

    assert what in found(tmp_path / "a", forbidden)
