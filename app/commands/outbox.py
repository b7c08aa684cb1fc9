"""`webpubsub outbox`: what could not be delivered, and what becomes of it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError
from pydantic_core import to_json

from app.console import fail, out, read_settings
from app.fanout.store import DeadLetter, DeadLetters, EntryId
from app.fanout.stores import dead_letters_for
from app.models.actions import ACTION
from app.printable import printable
from app.upstream.storage import StorageError

outbox_cli = typer.Typer(no_args_is_help=True, help="Dead letters: what could not be delivered, with the reason.")

SHOWN = {
    "id": "Id",
    "given_up": "Given up",
    "hub": "Hub",
    "action": "Action",
    "lane": "Lane",
    "reason": "Reason",
}

_Result = TypeVar("_Result")

Ids = Annotated[list[str] | None, typer.Argument(help="Ids, as `outbox list` shows them.")]
Every = Annotated[bool, typer.Option("--all", help="Every dead letter.")]


@outbox_cli.command("list")
def list_letters(
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
) -> None:
    """What was given up, and why. Bodies are not shown."""
    letters = _with_letters(lambda store: store.list(limit if as_json else limit + 1))
    if as_json:
        for letter in letters:
            typer.echo(to_json(_described(letter)))
        return
    if not letters:
        out.print("There are no dead letters.")
        return
    rows = [[printable(shown[name]) for name in SHOWN] for shown in map(_described, letters[:limit])]
    for line in _aligned([SHOWN.values(), *rows]):
        typer.echo(line)
    if len(letters) > limit:
        out.print("There are more: use --limit.")


@outbox_cli.command()
def retry(ids: Ids = None, every: Every = False) -> None:
    """Puts letters back at the end of their lanes. A running upstream sends them within a second."""
    chosen = _chosen(ids, every=every)
    _report(_with_letters(lambda store: store.retry(chosen)), "will be sent again", chosen)


@outbox_cli.command()
def drop(ids: Ids = None, every: Every = False) -> None:
    """Forgets letters for good."""
    chosen = _chosen(ids, every=every)
    _report(_with_letters(lambda store: store.drop(chosen)), "dropped", chosen)


def _described(letter: DeadLetter) -> dict[str, str | int]:
    return {
        "id": letter.id,
        "given_up": datetime.fromtimestamp(letter.died_at, UTC).isoformat(timespec="seconds"),
        "accepted": datetime.fromtimestamp(letter.accepted_at, UTC).isoformat(timespec="seconds"),
        "hub": letter.hub,
        "action": _name_of(letter.action),
        "lane": letter.lane,
        "reason": letter.reason,
    }


def _aligned(rows: Sequence[Collection[str]]) -> Iterator[str]:
    """A line a row, however narrow the terminal: half an id is of no use."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _name_of(action: bytes) -> str:
    try:
        return ACTION.validate_json(action).action_name
    except ValidationError:
        return "?"


def _chosen(ids: list[str] | None, *, every: bool) -> list[EntryId] | None:
    if bool(ids) == every:
        fail("name ids, or use --all")
    return [_id(one) for one in dict.fromkeys(ids)] if ids else None


def _id(text: str) -> EntryId:
    """SQLite's are numbers, of at most 19 digits; Redis' are not."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text


def _report(count: int, what: str, chosen: list[EntryId] | None) -> None:
    out.print(f"{count} dead letter{'' if count == 1 else 's'} {what}.")
    if chosen is not None and count < len(chosen):
        unknown = len(chosen) - count
        fail(f"{'one id is' if unknown == 1 else f'{unknown} ids are'} not among the dead letters")


def _with_letters(use: Callable[[DeadLetters], Awaitable[_Result]]) -> _Result:
    async def run() -> _Result:
        store = dead_letters_for(read_settings().store.get_secret_value())
        try:
            return await use(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (StorageError, ValueError) as error:
        fail(f"STORE: {error}")
