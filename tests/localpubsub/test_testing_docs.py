"""The examples of docs/testing.md, run as a reader would run them; and what the plugin says when it cannot work."""

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
EXAMPLES = re.findall(r"(?ms)^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"))
PLUGIN = "localpubsub.pytest_plugin"


def plugin_arguments() -> list[str]:
    """An environment that was installed before the entry point was written has none."""
    is_installed = any(one.value == PLUGIN for one in entry_points(group="pytest11"))
    strict = ["-W", "error", "-o", "asyncio_default_fixture_loop_scope=function"]
    return strict if is_installed else [*strict, "-p", PLUGIN]


def test_the_examples_of_the_page_pass(pytester: pytest.Pytester) -> None:
    names = [f"test_example_{number}" for number in range(len(EXAMPLES))]
    pytester.makepyfile(**dict(zip(names, EXAMPLES, strict=True)))

    result = pytester.runpytest_subprocess("-o", "asyncio_mode=auto", *plugin_arguments())

    count = sum(len(re.findall(r"(?m)^(?:async )?def test_", example)) for example in EXAMPLES)
    assert count >= len(EXAMPLES) >= 5
    result.assert_outcomes(passed=count)


def test_each_test_has_a_service_of_its_own_also_in_strict_mode(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        ports = set()

        @pytest.mark.asyncio
        @pytest.mark.parametrize("number", range(2))
        async def test_once(localpubsub, number):
            async with localpubsub.client("own") as client:
                await client.join("g")
            assert len(localpubsub.service.hub("other").connections) == 0
            ports.add(id(localpubsub))
            assert localpubsub.port
        """
    )

    result = pytester.runpytest_subprocess("-o", "asyncio_mode=strict", *plugin_arguments())

    result.assert_outcomes(passed=2)


def test_without_pytest_asyncio_it_says_what_is_missing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(hidden="import sys\nsys.modules['pytest_asyncio'] = None")
    pytester.makepyfile("def test_it(localpubsub): ...\ndef test_other(): ...")

    result = pytester.runpytest_subprocess("-p", "hidden", "-p", PLUGIN)

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["*needs pytest-asyncio: pip install pytest-asyncio*"])


def test_the_plugin_imports_nothing_of_the_service_before_a_test_asks(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_it():
            assert "localpubsub.pytest_plugin" in sys.modules
            assert "localpubsub.server" not in sys.modules
        """
    )

    result = pytester.runpytest_subprocess(*plugin_arguments())

    result.assert_outcomes(passed=1)
