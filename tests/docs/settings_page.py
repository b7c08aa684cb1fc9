"""The tables of docs/settings.md, from `Settings`. `python -m tests.docs.settings_page` writes them."""

import re
from pathlib import Path

from pydantic import SecretStr

from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "settings.md"
EXAMPLE = ROOT / ".env.example"
BEGINNING, END = "## The service\n", "## The local service\n"


def tables() -> str:
    """One table for each section of the example, in its order."""
    lines: list[str] = []
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if title := re.fullmatch(r"# --- (.+)", line):
            lines += ["", f"## {title[1]}", "", "| setting | default | what it is |", "|---|---|---|"]
        elif name := re.match(r"(?:# )?([A-Z_]+)=", line):
            lines.append(_row(name[1]))
    return "\n".join(lines).lstrip() + "\n\n"


def _row(name: str) -> str:
    field = Settings.model_fields[name.lower()]
    cells = (f"`{name}`", _shown(field.default), (field.description or "").replace("|", "\\|"))
    return f"| {' | '.join(cells)} |"


def _shown(default: object) -> str:
    match default:
        case None | ():
            return ""
        case bool():
            return f"`{str(default).lower()}`"
        case SecretStr():
            return f"`{default.get_secret_value()}`"
        case tuple():
            return ", ".join(f"`{one}`" for one in default)
        case float():
            return f"`{default:g}`"
    return f"`{default}`"


def page(text: str) -> str:
    """The page with tables that are up to date."""
    return text.partition(BEGINNING)[0] + tables() + END + text.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
