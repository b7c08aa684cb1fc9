"""The way to Apertium and back: a program that does what a test says, and then the real one."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.translation.apertium import MAX_OUTPUT_BYTES, MAX_PROCESSES, Apertium, routes
from app.translation.backend import TranslationFailed, Unavailable
from app.translation.careful import CarefulTranslator
from app.translation.shared import Shared
from app.upstream.translation import Note, Translation

PATIENCE = 30

LIST = '-l) printf "  eng-spa\\n  eng-deu\\n  es-fr\\n  spa-eng\\n  eng-spa_US\\n  oci-cat\\n" ;;\n'

Install = Callable[[str], Apertium]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Puts a program there; the text is the cases of its first argument, beside `-l`."""

    def make(cases: str, modes: str = LIST) -> Apertium:
        program = tmp_path / "apertium"
        program.write_text(f'#!/bin/sh\ncase "$1" in\n{modes}{cases}\nesac\n', encoding="utf-8")
        program.chmod(0o755)
        return Apertium(str(program))

    return make


async def opened(apertium: Apertium) -> Apertium:
    await apertium.open()
    return apertium


def texts(found: dict[str, Translation]) -> dict[str, str]:
    return {one: translation.text for one, translation in found.items()}


def test_routes_go_over_one_language_at_the_most() -> None:
    assert routes(["eng-spa", "es-fr", "fr-es", "fra-cat", "eng-spa_US", "eco-es-fr", "xxx-eng", "spa-es", ""]) == {
        ("en", "es"): ("eng-spa",),
        ("es", "fr"): ("es-fr",),
        ("fr", "es"): ("fr-es",),
        ("fr", "ca"): ("fra-cat",),
        ("en", "fr"): ("eng-spa", "es-fr"),
        ("es", "ca"): ("es-fr", "fra-cat"),
    }


async def test_it_offers_what_is_installed(install: Install) -> None:
    apertium = install("")

    assert apertium.languages == {}
    await apertium.open()
    assert apertium.languages == {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español"}


@pytest.mark.parametrize("modes", ["-l) echo ;;\n", "-l) exit 1 ;;\n", "-l) echo 'USAGE: apertium' ;;\n"])
async def test_without_a_pair_it_does_not_start(install: Callable[[str, str], Apertium], modes: str) -> None:
    with pytest.raises(Unavailable, match="apertium"):
        await install("", modes).open()


async def test_without_the_program_it_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="install apertium"):
        await Apertium(str(tmp_path / "apertium")).open()


async def test_a_pair_that_is_missing_is_replaced_by_two(install: Install, tmp_path: Path) -> None:
    apertium = await opened(install(f'eng-spa) echo >> {tmp_path}/count; sed "s/^/es /" ;; es-fr) sed "s/^/fr /" ;;'))

    found = await apertium.translate("hi", "en", ["es", "fr", "de", "pl"])

    assert {one: found[one].text for one in ("es", "fr", "pl")} == {"es": "es hi", "fr": "fr es hi", "pl": "hi"}
    assert found["pl"].note is Note.UNKNOWN_LANGUAGE
    assert (tmp_path / "count").read_text() == "\n"


@pytest.mark.parametrize("source", [None, "pl", "fr"])
async def test_from_a_language_it_cannot_read(install: Install, source: str | None) -> None:
    found = await (await opened(install(""))).translate("hi", source, ["es"])

    assert found == {"es": Translation("hi", source or "", is_translated=False, note=Note.UNKNOWN_LANGUAGE)}


async def test_words_it_does_not_know_lose_their_mark_and_are_noted(install: Install) -> None:
    apertium = await opened(install('eng-spa) echo "El *foo es #grande @y 3 * 4" ;; es-fr) cat ;;'))

    found = await apertium.translate("hi", "en", ["es", "fr"])

    assert texts(dict(found)) == {"es": "El foo es grande y 3 * 4\n", "fr": "El foo es grande y 3 * 4\n"}
    assert {translation.note for translation in found.values()} == {Note.PARTLY_UNKNOWN}


async def test_stars_of_people_are_not_taken_for_marks(install: Install) -> None:
    apertium = await opened(install("eng-spa) cat ;;"))

    found = await apertium.translate("a *b* @c #d \x00 e", "en", ["es"])

    assert found["es"] == Translation("a *b* @c #d   e", "es", is_translated=True)


@pytest.mark.parametrize(
    "text", ["$(touch {0}/owned); `touch {0}/owned` & | > {0}/owned", "-l", "[x] {{y}} \\ ^z$ /a <b> ⟦0⟧", "ü\n\n好 👍"]
)
async def test_no_text_reaches_a_shell_or_the_arguments(install: Install, tmp_path: Path, text: str) -> None:
    apertium = await opened(install("eng-spa) test $# = 1 && cat ;;"))
    text = text.format(tmp_path)

    found = await apertium.translate(text, "en", ["es"])

    assert found["es"].text == text
    assert not (tmp_path / "owned").exists()


async def test_keys_of_ours_are_not_in_its_environment(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSLATOR_KEY", "s3cr3t")
    apertium = await opened(install("eng-spa) env ;;"))

    found = await apertium.translate("hi", "en", ["es"])

    assert "s3cr3t" not in found["es"].text
    assert "PATH=" in found["es"].text


@pytest.mark.parametrize(
    "cases", ["eng-spa) exit 3 ;;", "eng-spa) kill -9 $$ ;;", "eng-spa) cat > /dev/null; exit 1 ;;"]
)
async def test_a_program_that_fails_is_unavailable(install: Install, cases: str) -> None:
    with pytest.raises(Unavailable, match="status"):
        await (await opened(install(cases))).translate("hi", "en", ["es", "fr"])


async def test_a_program_that_is_gone_is_unavailable(install: Install, tmp_path: Path) -> None:
    apertium = await opened(install(""))
    (tmp_path / "apertium").unlink()

    with pytest.raises(Unavailable, match="does not start"):
        await apertium.translate("hi", "en", ["es"])


async def test_a_program_that_never_stops_writing_is_stopped(install: Install) -> None:
    apertium = await opened(install(f"eng-spa) head -c {2 * MAX_OUTPUT_BYTES} /dev/zero; exec sleep 60 ;;"))

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(TranslationFailed, match="too long"):
            await apertium.translate("hi", "en", ["es"])


async def test_who_does_not_wait_leaves_no_process_behind(install: Install, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # All of them hold the fifo open as long as they live.
    apertium = await opened(install(f"eng-spa) exec 3>{fifo}; sleep 60 & echo started >&3; sleep 60 | cat ;;"))
    call = asyncio.create_task(apertium.translate("hi", "en", ["es"]))

    async with asyncio.timeout(PATIENCE):
        with await asyncio.to_thread(fifo.open) as alive:
            assert await asyncio.to_thread(alive.readline) == "started\n"
            call.cancel()
            await asyncio.wait([call])
            assert await asyncio.to_thread(alive.read) == ""

    assert call.cancelled()


async def test_nor_is_one_left_that_outlives_the_program(install: Install, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    apertium = await opened(install(f"eng-spa) exec 3>{fifo}; sleep 600 & exit 0 ;;"))
    call = asyncio.create_task(apertium.translate("hi", "en", ["es"]))

    async with asyncio.timeout(PATIENCE):
        with await asyncio.to_thread(fifo.open) as alive:
            call.cancel()
            await asyncio.wait([call])
            assert await asyncio.to_thread(alive.read) == ""


async def test_nor_does_who_goes_away_while_it_starts(install: Install, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    apertium = await opened(install(f"eng-spa) exec 3>{fifo}; sleep 60 & sleep 60 ;;"))
    call = asyncio.create_task(apertium.translate("hi", "en", ["es"]))

    async with asyncio.timeout(PATIENCE):
        for _ in range(3):  # the task starts, its step starts, its process starts
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
        # Somebody who is still there would be read from, or waited for.
        with os.fdopen(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)) as alive:
            assert await asyncio.to_thread(alive.read) == ""


async def test_so_many_processes_and_no_more(install: Install, tmp_path: Path) -> None:
    apertium = await opened(
        install(f"eng-spa) mkdir {tmp_path}/$$.run; ls -d {tmp_path}/*.run | wc -l; cat; rmdir {tmp_path}/$$.run ;;")
    )

    found = await asyncio.gather(*(apertium.translate(f"{one}", "en", ["es"]) for one in range(3 * MAX_PROCESSES)))

    assert max(int(one["es"].text.split()[0]) for one in found) <= MAX_PROCESSES


async def test_a_program_that_hangs_is_not_waited_for(install: Install) -> None:
    shared = Shared(install("eng-spa) exec sleep 60 ;;"), seconds=0.2)
    await shared.open()

    found = await shared.translate("hi", "en", ["es"])
    await shared.close()

    assert found["es"].note is Note.TOOK_TOO_LONG


async def test_the_real_one() -> None:
    translator = CarefulTranslator([Shared(Apertium(), seconds=PATIENCE)])

    async with translator.open():
        found = await translator.translate(
            "The truck has arrived, Mia.\nWhere is order A-1023?", ["es", "fr"], source="en", keep=["Mia"]
        )
        unknown = await translator.translate("The xyzzy has arrived", ["es"], source="en")

    assert {"en", "es", "fr"} <= set(translator.languages)
    spanish, french = found["es"].text.split("\n"), found["fr"].text.split("\n")
    assert spanish[0] == "El camión ha llegado, Mia."
    assert "camion" in french[0]
    assert "A-1023" in spanish[1]
    assert "A-1023" in french[1]
    assert unknown["es"] == Translation("El xyzzy ha llegado", "es", is_translated=True, note=Note.PARTLY_UNKNOWN)


@pytest.mark.parametrize(
    "text", ["[a] {b} ^c$ \\ / <b>d</b> &amp; ~e", "*a* @b #c", "\n\n hello \n\n", "⟦0⟧⟦1⟧ is ⟦10⟧.", "%s $HOME"]
)
async def test_the_real_one_keeps_what_is_not_a_word(text: str) -> None:
    apertium = Apertium()
    await apertium.open()

    found = (await apertium.translate(text, "en", ["es"]))["es"].text

    assert [one for one in found if not one.isalpha()] == [one for one in text if not one.isalpha()]
