"""User events: what clients send, and what the caller gets back (spec/upstream.md 5.3)."""

import re

from app.doctor.exchange import MEGABYTE, Answer, Request
from app.doctor.registry import Group
from app.doctor.upstream.visit import Visit, what_is
from app.doctor.verdicts import Problem, Verdict, failure, passed, warning
from app.models.payloads import BINARY, JSON, PROTOBUF, TEXT, parse_json

group: Group[Visit] = Group("messages", "User events", needs=["signature.right"])

ANY_TEXT = b"\x0a\x1ftype.example/doctor.Examination.one\x12\x02\x08\x01"
METADATA = "x-webpubsub-metadata-"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")

REFUSED = warning(
    "refused",
    cause=(
        "The event has failed: a raw client is disconnected (1011), a client with an ackId is told InternalServerError."
    ),
    mend=(
        "If clients may send this, handle it: look at the event's name and the content type. Answer 204, or a 2xx with "
        "an error in the body; keep 4xx for what should end the connection."
    ),
)
NO_PROTOBUF = warning(
    "no-protobuf",
    cause="Clients of the protobuf subprotocols send application/x-protobuf; theirs would fail.",
    mend="Take application/x-protobuf as bytes, if you have such clients. No official library does.",
)


@group.check("text", "Text is taken", REFUSED)
async def text(visit: Visit) -> Verdict:
    return await _taken(visit, REFUSED, *_each(visit, b"How do you do?", TEXT))


@group.check("json", "JSON is taken, whatever its type", REFUSED)
async def json(visit: Visit) -> Verdict:
    values = (b'{"text":"How do you do?"}', b"[1,2]", b'"doctor"', b"4.5e1", b"true", b"null")
    return await _taken(visit, REFUSED, *(one for value in values for one in _each(visit, value, JSON)))


@group.check("binary", "Bytes are taken", REFUSED)
async def binary(visit: Visit) -> Verdict:
    return await _taken(visit, REFUSED, *_each(visit, bytes(range(256)), BINARY))


@group.check("protobuf", "Protobuf is taken", NO_PROTOBUF)
async def protobuf(visit: Visit) -> Verdict:
    return await _taken(visit, NO_PROTOBUF, *_each(visit, ANY_TEXT, PROTOBUF))


def _each(visit: Visit, body: bytes, media: str) -> list[Request]:
    return [visit.play().message(body, media, event=event) for event in visit.target.events]


async def _taken(visit: Visit, problem: Problem, *requests: Request) -> Verdict:
    statuses: dict[int, None] = {}
    for request in requests:
        answer = await visit.deliver(request)
        if not answer.is_success:
            return problem.found(f"{what_is(request)} {request.body[:20].decode('ascii', 'replace')}: {answer}")
        statuses[answer.status] = None
    return passed(f"{', '.join(map(str, statuses))} for {len(requests)} event{'' if len(requests) == 1 else 's'}")


CHARSET = failure(
    "charset",
    cause="`text/plain; charset=utf-8` means the same as `text/plain`. The service may send either.",
    mend="Compare the media type alone: what stands before the semicolon.",
)
LETTERS = warning(
    "letters",
    cause="Media types know no upper and lower case; a proxy may write them differently.",
    mend="Compare media types in lower case.",
)


@group.check("content-type", "Parameters and letters' case of the content type do not matter", CHARSET, LETTERS,
             needs=["messages.text"])  # fmt: skip
async def content_type(visit: Visit) -> Verdict:
    for media, problem in (("text/plain; charset=utf-8", CHARSET), ("text/plain;charset=UTF-8", CHARSET),
                           ("Text/Plain", LETTERS)):  # fmt: skip
        answer = await visit.deliver(visit.play().message("How do you do?", media))
        if not answer.is_success:
            return problem.found(f"{media}: {answer}")
    return passed("with charset, and as Text/Plain")


WRONG_TYPE = failure(
    "answer-type",
    cause="The answer has a content type that the service cannot hand to a client, so the event has failed.",
    mend="Answer with text/plain, application/json, application/octet-stream or application/x-protobuf, or 204.",
)
NO_TYPE = warning(
    "no-answer-type",
    cause="The answer has a body without a content type. Versions of the service disagree: text or bytes.",
    mend="Send a Content-Type with every body.",
)
WRONG_BODY = failure(
    "answer-body",
    cause="The answer's body is not what its content type says; clients get something they cannot read.",
    mend="Answer valid JSON as application/json and UTF-8 as text/plain, else application/octet-stream.",
)
LONG_ANSWER = warning(
    "long-answer",
    cause="Clients take frames of one megabyte; a longer answer does not arrive.",
    mend="Answer with less, or with a link.",
)


@group.check("answer", "Answers are such as a client can get", WRONG_TYPE, NO_TYPE, WRONG_BODY, LONG_ANSWER)
async def answer_is_legal(visit: Visit) -> Verdict:
    requests = [
        one
        for body, media in ((b"How do you do?", TEXT), (b'{"text":"ping"}', JSON), (b"\xff\x00", BINARY))
        for one in _each(visit, body, media)
    ]
    seen: dict[str, None] = {}
    for request in requests:
        answer = await visit.deliver(request)
        if problem := wrong_answer(answer):
            return problem
        seen[f"{answer.status} {answer.media if answer.body else 'without a body'}"] = None
    return passed(", ".join(seen))


def wrong_answer(answer: Answer) -> Verdict | None:
    if not answer.is_success or not answer.body:
        return None
    if answer.media not in (TEXT, JSON, BINARY, PROTOBUF):
        kind = WRONG_TYPE if answer.media else NO_TYPE
        return kind.found(f"{len(answer.body)} bytes of {answer.media or 'no content type'}")
    if len(answer.body) > MEGABYTE:
        return LONG_ANSWER.found("more than a megabyte")
    try:
        if answer.media == JSON:
            parse_json(answer.body)
        elif answer.media == TEXT:
            answer.body.decode()
    except ValueError:
        return WRONG_BODY.found(f"not {answer.media}")
    return None


GARBLED = failure(
    "garbled",
    cause="Plain letters come back as they were sent, others do not: text is decoded with the wrong character set.",
    mend="Decode bodies as UTF-8, whatever the framework assumes where no charset is given.",
)


@group.check("characters", "Text outside ASCII survives", GARBLED)
async def characters(visit: Visit) -> Verdict:
    for media, quote in ((TEXT, ""), (JSON, '"')):
        plain = await visit.deliver(visit.play().message(f"{quote}doctor-plain{quote}", media))
        special = await visit.deliver(visit.play().message(f"{quote}doctor-ñ博🩺{quote}", media))
        if b"doctor-plain" in plain.body and not _holds(special, "doctor-ñ博🩺"):
            return GARBLED.found(f"{media}: “ñ博🩺” came back otherwise")
    return passed("came back as it was sent, or not at all")


def _holds(answer: Answer, text: str) -> bool:
    escaped = text.encode("ascii", "backslashreplace").decode()
    surrogates = "".join(f"\\u{unit:04x}" if unit > 127 else chr(unit) for unit in _units(text))
    body = answer.body.decode("utf-8", "replace")
    return text in body or escaped in body or surrogates in body.lower()


def _units(text: str) -> list[int]:
    data = text.encode("utf-16-be")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


BAD_METADATA = failure(
    "bad-metadata",
    cause="The answer holds message metadata that is not legal; the service fails the whole event.",
    mend=(
        f"Headers that begin with {METADATA} need a name of at most 256 letters and an ASCII value of at most 1024, "
        "8192 bytes in all."
    ),
)


@group.check("metadata", "Message metadata is taken, and legal where it is answered", REFUSED, BAD_METADATA,
             needs=["messages.text"])  # fmt: skip
async def metadata(visit: Visit) -> Verdict:
    request = visit.play().message("How do you do?").changed((f"{METADATA}trace", "t-91"), (f"{METADATA}d", "1"))
    answer = await visit.deliver(request)
    if not answer.is_success:
        return REFUSED.found(f"with metadata: {answer}")
    came = [(name[len(METADATA) :], value) for name, value in answer.headers if name.lower().startswith(METADATA)]
    for name, value in came:
        if not _TOKEN.fullmatch(name) or not value.isascii() or len(value) > 1024:
            return BAD_METADATA.found(f"{name[:40]!r} with {len(value)} characters")
    if sum(len(name) + len(value) for name, value in came) > 8192:
        return BAD_METADATA.found("more than 8192 bytes in all")
    return passed(f"{answer.status}, {len(came)} came back")


@group.check("unknown", "A user event nobody handles is not a 5xx")
async def unknown(visit: Visit) -> Verdict:
    names = ("doctor", "doctor.check-up.1", "connect", "D" * 128)
    answers = await visit.deliver_all([visit.play().message("", event=name) for name in names])
    return passed(", ".join(str(answer.status) for answer in answers))


SMALL_LIMIT = warning(
    "small-limit",
    cause="Clients may send messages of a megabyte; theirs would fail, and raw clients would be disconnected.",
    mend="Raise the body limit of the framework and of every proxy in front of it to 2 MiB (Express: `limit`).",
)


@group.check("megabyte", "The longest message a client can send is taken", SMALL_LIMIT, needs=["messages.text"])
async def megabyte(visit: Visit) -> Verdict:
    small = await visit.deliver(visit.play().message("x", event="doctor"))
    large = await visit.deliver(visit.play().message("x" * MEGABYTE, event="doctor"))
    if small.is_success and not large.is_success:
        return SMALL_LIMIT.found(f"one megabyte: {large}")
    return passed(f"one byte: {small.status}, one megabyte: {large.status}")
