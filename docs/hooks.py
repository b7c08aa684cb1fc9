"""What MkDocs does not do by itself: pages from the root of the tree, links out of docs/, Markdown beside the HTML."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

FROM_THE_ROOT = {
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
    "CHANGELOG.md": "changelog.md",
}
PAGES = {**FROM_THE_ROOT, "README.md": "index.md"}
ORIGINS = {page: origin for origin, page in FROM_THE_ROOT.items()}
LINK = re.compile(r"(```.*?```|`[^`\n]+`)|(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", re.DOTALL)

_markdown: dict[str, str] = {}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    root = Path(config.config_file_path).parent
    for origin, page in FROM_THE_ROOT.items():
        files.append(File.generated(config, page, content=(root / origin).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A file of the tree that is no page becomes its name, or a link to it where there is a `repo_url`."""
    here = ORIGINS.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def link(found: re.Match[str]) -> str:
        text, (target, hash_, anchor) = found[2], (found[3] or "").partition("#")
        if found[1] or not target or "://" in target:
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
        inside = PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if inside is not None and files.get_file_from_path(inside):
            start = posixpath.dirname(page.file.src_uri) or "."
            return f"[{text}]({posixpath.relpath(inside, start)}{hash_}{anchor})"
        if config.repo_url:
            return f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{path})"
        return f"`{path}`" if path.endswith(text.strip("`")) else f"{text} (`{path}`)"

    _markdown[page.file.src_uri] = LINK.sub(link, markdown)
    return _markdown[page.file.src_uri]


def on_post_build(config: MkDocsConfig) -> None:
    """Each page as Markdown too, under its own name, for readers that are programs."""
    for uri, markdown in _markdown.items():
        target = Path(config.site_dir, uri)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(markdown, encoding="utf-8")
