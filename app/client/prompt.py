"""The prompt of a terminal: completion, history, and output that leaves the line being typed alone."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input, create_input
from prompt_toolkit.patch_stdout import patch_stdout

from app.client.connection import Told
from app.client.frames import JoinGroup, LeaveGroup, Message, SendEvent, SendToGroup
from app.client.words import HELP, Said

OPTIONS = ("--text", "--json", "--file")


class Names:
    """The groups and events that came up, for completion."""

    def __init__(self, groups: Iterable[str] = ()) -> None:
        self.groups = dict.fromkeys(groups)
        self.events = dict.fromkeys(["message"])

    def note(self, one: Told | Said) -> None:
        match one:
            case JoinGroup(group) | LeaveGroup(group) | SendToGroup(group) | Message(group=str(group)):
                self.groups[group] = None
            case SendEvent(event):
                self.events[event] = None


class WordCompleter(Completer):
    """Completes the command, then the name that follows it, then what may stand in front of the data."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002 - the prompt calls with both
    ) -> Iterator[Completion]:
        words = document.text_before_cursor.lstrip().split(" ")
        for candidate in self._candidates(words[:-1]):
            if candidate.lower().startswith(words[-1].lower()):
                yield Completion(f"{candidate} ", start_position=-len(words[-1]), display=candidate)

    def _candidates(self, before: list[str]) -> Iterable[str]:
        match before:
            case []:
                return HELP
            case ["joingroup" | "leavegroup" | "sendtogroup"] | ["sendtogroup", "--no-echo"]:
                return [_quoted(group) for group in self._names.groups]
            case ["event"]:
                return self._names.events
            case ["event", _] | ["sendtogroup", _] | ["sendtogroup", "--no-echo", _]:
                return OPTIONS
            case _:
                return ()


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


async def typed_lines(names: Names, who: Callable[[], str], history: History) -> AsyncIterator[str]:
    """Lines until Ctrl-D; Ctrl-C empties the line. Meanwhile whatever is printed appears above it."""
    session: PromptSession[str] = PromptSession(
        history=history, completer=WordCompleter(names), complete_while_typing=False, input=silent_input()
    )
    sys.stdout.write("help lists the commands, Tab completes, Ctrl-D ends\n")
    with patch_stdout(raw=True):
        while True:
            try:
                yield await session.prompt_async(lambda: f"{who()}> ")
            except KeyboardInterrupt:
                continue
            except EOFError:
                return


def silent_input() -> Input:
    """The terminal. Left to itself, it would echo the keys that are pressed while something is printed."""
    terminal = create_input()
    terminal.cooked_mode = nullcontext  # type: ignore[method-assign]  # the only way to keep it as it is
    return terminal


def kept_history() -> History:
    """In the user's state folder, for nobody else to read; in memory where that cannot be written."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "webpubsub"
    file = folder / "client-history"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(file)
