"""Services with one thing wrong: a real one, behind a wire that changes what is said and heard."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from app.doctor.client.visit import Closed, Dialer, Heard, Socket
from app.doctor.exchange import Answer

Frame = dict[str, Any]


class Wire:
    """A dialer that changes nothing. The defects change one thing each; of those that are silent nothing comes."""

    is_silent = False

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer

    async def dial(self, url: str, subprotocols: Sequence[str]) -> Socket | Answer:
        answer = self.refuses(url, subprotocols)
        if answer is not None:
            return answer
        came = await self._dialer.dial(self.goes_to(url), subprotocols)
        return came if isinstance(came, Answer) else Tampered(self, came)

    def refuses(self, url: str, subprotocols: Sequence[str]) -> Answer | None:
        return None

    def goes_to(self, url: str) -> str:
        return url

    def picks(self, subprotocol: str | None) -> str | None:
        return subprotocol

    def says(self, frame: Frame) -> Frame | None:
        return frame

    def hears(self, frame: Frame) -> Heard | Frame:
        """What comes in place of a frame; `None` drops it."""
        return frame

    def ends(self, closed: Closed) -> Heard:
        return closed


class Tampered:
    def __init__(self, wire: Wire, socket: Socket) -> None:
        self._wire = wire
        self._socket = socket
        self.subprotocol = wire.picks(socket.subprotocol)

    async def say(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            frame = {"type": "malformed", "text": text}
        said = self._wire.says(frame)
        if said is not None:
            await self._socket.say(text if said == frame else json.dumps(said))

    async def hear(self, seconds: float) -> Heard:
        while True:
            heard = await self._socket.hear(seconds)
            if heard is None:
                return None
            if isinstance(heard, Closed):
                return self._wire.ends(heard)
            try:
                frame = json.loads(heard)
            except ValueError:
                return heard
            came = self._wire.hears(frame)
            if came is not None:
                return json.dumps(came) if isinstance(came, dict) else came

    async def drop(self) -> None:
        await self._socket.drop()

    async def leave(self) -> None:
        await self._socket.leave()


@dataclass(frozen=True)
class ServiceDefect:
    check: str
    problem: str
    wire: type[Wire]

    @property
    def id(self) -> str:
        return f"{self.check}-{self.problem}-{self.wire.__name__}"


DEFECTS: list[ServiceDefect] = []
Made = TypeVar("Made", bound=type[Wire])


def defect(*checks: str, problem: str) -> Callable[[Made], Made]:
    def add(wire: Made) -> Made:
        DEFECTS.extend(ServiceDefect(check, problem, wire) for check in checks)
        return wire

    return add


@defect("handshake.json", problem="unreachable")
class Missing(Wire):
    def refuses(self, url: str, subprotocols: Sequence[str]) -> Answer | None:
        return Answer(404)


@defect("handshake.json", problem="handler")
class Forbids(Wire):
    def refuses(self, url: str, subprotocols: Sequence[str]) -> Answer | None:
        return Answer(403)


@defect("handshake.json", problem="no-subprotocol")
class ConfirmsNothing(Wire):
    def picks(self, subprotocol: str | None) -> str | None:
        return None


@defect("handshake.raw", problem="raw-refused")
class WantsASubprotocol(Wire):
    def refuses(self, url: str, subprotocols: Sequence[str]) -> Answer | None:
        return None if subprotocols else Answer(400)


class Greets(Wire):
    def greeting(self, frame: Frame) -> Frame:
        return frame

    def hears(self, frame: Frame) -> Heard | Frame:
        return self.greeting(frame) if frame.get("event") == "connected" else frame


@defect("handshake.greeting", problem="bad-greeting")
class GreetsWithoutAnId(Greets):
    def greeting(self, frame: Frame) -> Frame:
        return {name: value for name, value in frame.items() if name != "connectionId"}


@defect("handshake.greeting", problem="other-user")
class GreetsSomebodyElse(Greets):
    def greeting(self, frame: Frame) -> Frame:
        return frame | {"userId": "somebody"}


@defect("handshake.reliable", problem="not-reliable")
class GivesNoToken(Greets):
    def greeting(self, frame: Frame) -> Frame:
        return {name: value for name, value in frame.items() if name != "reconnectionToken"}


@defect("tokens.refused", problem="let-in")
class LooksAtNoToken(Wire):
    good = ""

    def goes_to(self, url: str) -> str:
        self.good = self.good or url
        return self.good


@defect("tokens.refused", problem="odd-status")
class ForbidsTokens(Wire):
    known = 0

    def refuses(self, url: str, subprotocols: Sequence[str]) -> Answer | None:
        self.known += 1
        return Answer(403) if self.known > 1 else None


@defect("tokens.none", problem="anybody")
class LetsAnybodyIn(LooksAtNoToken): ...


@defect("frames.publish", "frames.between", "frames.no-echo", "frames.leave", "frames.duplicate", problem="not-allowed")
class AllowsNothing(Wire):
    def hears(self, frame: Frame) -> Heard | Frame:
        return frame | {"success": False} if frame["type"] == "ack" else frame


class Delivers(Wire):
    def message(self, frame: Frame) -> Heard | Frame:
        return frame

    def hears(self, frame: Frame) -> Heard | Frame:
        return self.message(frame) if frame["type"] == "message" else frame


@defect("frames.publish", problem="wrong-message")
class TurnsJsonIntoText(Delivers):
    def message(self, frame: Frame) -> Heard | Frame:
        return frame | {"dataType": "text", "data": str(frame["data"])}


@defect("frames.between", problem="sender-unknown")
class ForgetsTheSender(Delivers):
    def message(self, frame: Frame) -> Heard | Frame:
        return frame | {"fromUserId": None}


@defect("frames.no-echo", problem="echoed")
class Echoes(Wire):
    def says(self, frame: Frame) -> Frame | None:
        return frame | {"noEcho": False} if "noEcho" in frame else frame


@defect("frames.leave", problem="still-member")
class KeepsMembers(Wire):
    def says(self, frame: Frame) -> Frame | None:
        return frame | {"type": "joinGroup"} if frame["type"] == "leaveGroup" else frame


class Judges(Wire):
    error = ""

    def hears(self, frame: Frame) -> Heard | Frame:
        is_meant = frame["type"] == "ack" and (frame.get("error") or {}).get("name") == self.error
        return frame | {"success": True, "error": None} if is_meant else frame


@defect("frames.duplicate", problem="ran-twice")
class ForgetsAckIds(Judges):
    error = "Duplicate"


@defect("frames.forbidden", problem="unprotected")
class ForgetsRoles(Judges):
    error = "Forbidden"


@defect("frames.malformed", problem="tolerated")
class ToleratesAnything(Wire):
    is_silent = True

    def says(self, frame: Frame) -> Frame | None:
        return None if frame["type"] == "malformed" else frame


@defect("events.handled", problem="failed")
class HandlesNothing(Wire):
    def hears(self, frame: Frame) -> Heard | Frame:
        failed = {"success": False, "error": {"name": "InternalServerError", "message": "Internal server error"}}
        return frame | failed if frame["type"] == "ack" else frame


@defect("events.handled", problem="bad-answer")
class LosesTheDataType(Delivers):
    def message(self, frame: Frame) -> Heard | Frame:
        return {name: value for name, value in frame.items() if name != "dataType"}


@defect("recovery.sequence", problem="bad-sequence")
class CountsFromZero(Delivers):
    def message(self, frame: Frame) -> Heard | Frame:
        return frame | {"sequenceId": frame["sequenceId"] - 1} if "sequenceId" in frame else frame


@defect("recovery.resume", problem="not-recovered")
class RecoversNothing(Wire):
    def refuses(self, url: str, subprotocols: Sequence[str]) -> Answer | None:
        return Answer(502) if "awps_connection_id" in url else None


@defect("recovery.resume", problem="not-recovered")
class RecoversAnother(Wire):
    def goes_to(self, url: str) -> str:
        return url.partition("&awps_connection_id")[0]


@defect("recovery.resume", problem="lost")
class LosesMessages(Delivers):
    def message(self, frame: Frame) -> Heard | Frame:
        return None if frame["data"] == "missed" else frame


@defect("recovery.refused", problem="taken-over")
class TakesAnyReconnectionToken(RecoversAnother):
    is_silent = True


@defect("recovery.refused", problem="odd-refusal")
class RefusesOddly(Wire):
    def ends(self, closed: Closed) -> Heard:
        return Closed(1011) if closed.code == 1008 else closed
