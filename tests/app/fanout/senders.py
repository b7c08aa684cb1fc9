"""Services that do what a test tells them."""

import asyncio
from collections.abc import Sequence

from app.fanout.delivery import SendFailed
from app.models.actions import Action, SendToAll

Outcome = BaseException | float | None
"""What a send raises, how many seconds it takes, or `None`: it succeeds at once."""


def text_of(action: Action) -> str:
    assert isinstance(action, SendToAll)
    return action.data


def failed(status: int | None = None, *, retry_after: float = 0) -> SendFailed:
    return SendFailed(f"the service answered {status}", status, retry_after_seconds=retry_after)


class ScriptedSender:
    """Does for each text what its script says, one line an attempt, and succeeds where the script has ended."""

    def __init__(self, **scripts: Sequence[Outcome]) -> None:
        self._scripts = {text: list(script) for text, script in scripts.items()}
        self.attempts: list[tuple[str, float]] = []
        """Text and loop time."""
        self.waited: list[float] = []
        self.hubs: list[str] = []
        self.sent: list[str] = []
        self.busy = 0
        self.busiest = 0

    async def send(self, hub: str, action: Action, *, waited_seconds: float) -> None:
        text = text_of(action)
        self.attempts.append((text, asyncio.get_running_loop().time()))
        self.waited.append(waited_seconds)
        self.hubs.append(hub)
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            script = self._scripts.get(text)
            outcome = script.pop(0) if script else None
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome is not None:
                await asyncio.sleep(outcome)
        finally:
            self.busy -= 1
        self.sent.append(text)

    def times(self, text: str) -> list[float]:
        return [at for one, at in self.attempts if one == text]


class HeldSender:
    """Every send waits until the test lets it end."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.sent: list[str] = []
        self._held: dict[str, asyncio.Future[None]] = {}

    async def send(self, hub: str, action: Action, *, waited_seconds: float) -> None:
        text = text_of(action)
        self.begun.append(text)
        self._held[text] = asyncio.get_running_loop().create_future()
        await self._held[text]
        self.sent.append(text)

    @property
    def held(self) -> list[str]:
        return [text for text, future in self._held.items() if not future.done()]

    def release(self, text: str, error: BaseException | None = None) -> None:
        if error is None:
            self._held[text].set_result(None)
        else:
            self._held[text].set_exception(error)
