"""Python shown on a page, run as its reader would run it."""

import inspect
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from tests.docs.spoken import ROOT

PAGES = sorted([*ROOT.glob("docs/howto/*.md"), *ROOT.glob("docs/migrate/*.md")])


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def module_of(page: str) -> ModuleType:
    """Its blocks one after the other, as one module that can be imported by its name."""
    module = ModuleType("shown_" + re.sub(r"\W", "_", page.removeprefix("docs/").removesuffix(".md")))
    for block in blocks(page):
        exec(compile(block, page, "exec"), module.__dict__)
    sys.modules[module.__name__] = module
    return module


def shown_tests(page: str) -> Iterator[str]:
    for block in blocks(page):
        yield from re.findall(r"^(?:async )?def (test_\w+)", block, re.MULTILINE)


async def run(test: Any) -> None:
    result = test()
    if inspect.isawaitable(result):
        await result
