"""Of any two mistakes `webpubsub check` names both, whichever hides the other from the program itself."""

import atexit
import os
import socket
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Literal, NamedTuple, get_origin

import pytest

from app.commands.check import findings
from app.commands.finding import Finding, Verdict
from app.settings import Settings
from localpubsub.testing import LocalService

KEY = "s3cr3t-key-that-must-not-be-printed-0001"
STRING = f"Endpoint=https://contoso.webpubsub.azure.com;AccessKey={KEY};Version=1.0;"
PASSWORD = "hunter2-and-more"
MISTAKEN = "tests.app.commands.hubs_with_mistakes"
LISTS = ("HUBS", "TRUSTED_PROXIES", "WEBHOOK_ALLOWED_NETWORKS", "WEBPUBSUB_MORE_CONNECTION_STRINGS")
"""Settings that hold two mistakes as well as one."""
AS_IT_IS = "of the configuration to begin with"
ANOTHER_KEY = "the same service with another key"
RESERVED = socket.socket()
RESERVED.bind(("127.0.0.1", 0))
atexit.register(RESERVED.close)
CLOSED = RESERVED.getsockname()[1]
"""Bound and not listened at, so that nobody else comes to listen there."""
NOBODY = f"http://127.0.0.1:{CLOSED}"


class Mistake(NamedTuple):
    made: dict[str, str | None]
    """Variables by name; `None` for one that must not be set."""
    named: str
    """The setting."""
    why: str


NO_SERVICE = dict.fromkeys(
    ("WEBPUBSUB_CONNECTION_STRING", "WEBPUBSUB_CONNECTION_STRING_FILE", "WEBPUBSUB_ENDPOINT"), None
)
NO_PROOF = {
    "WEBPUBSUB_MORE_CONNECTION_STRINGS": None,
    "WEBHOOK_ENTRA_TENANT": None,
    "WEBPUBSUB_CONNECTION_STRING": None,
    "WEBPUBSUB_CONNECTION_STRING_FILE": None,
    "WEBPUBSUB_ENDPOINT": "https://contoso.webpubsub.azure.com",
}

READ = [
    Mistake({"LOG_LEVEL": "loud"}, "LOG_LEVEL", "must be 'debug', 'info'"),
    Mistake({"DEVELOPMENT": "perhaps"}, "DEVELOPMENT", "must be true or false"),
    Mistake({"MAX_BODY_BYTES": "1"}, "MAX_BODY_BYTES", "must be greater than or equal to"),
    Mistake({"HANDLER_TIMEOUT_SECONDS": "soon"}, "HANDLER_TIMEOUT_SECONDS", "must be a number"),
    Mistake({"NEGOTIATE_MINUTES": "an hour"}, "NEGOTIATE_MINUTES", "must be a whole number"),
    Mistake({"NEGOTIATE_LIMIT": "often"}, "NEGOTIATE_LIMIT", "is not of the form '20 per 10 seconds'"),
    Mistake({"STORE": "ftp://x"}, "STORE", "must be sqlite:///"),
    Mistake({"STORE": f"redis://app:{PASSWORD}/x@h:6379/0"}, "STORE", "in a password %2F stands for /"),
    Mistake({"TRUSTED_PROXIES": "the-proxy"}, "TRUSTED_PROXIES", "'the-proxy' is not an address"),
    Mistake({"WEBHOOK_ALLOWED_NETWORKS": "ours"}, "WEBHOOK_ALLOWED_NETWORKS", "'ours' is not an address"),
    Mistake({"WEBHOOK_ALLOWED_NETWORKS": "10.0.0.0/99"}, "WEBHOOK_ALLOWED_NETWORKS", "'10.0.0.0/99' is not"),
    Mistake({"WEBPUBSUB_CONNECTION_STRING": KEY}, "WEBPUBSUB_CONNECTION_STRING", "key=value"),
    Mistake({"WEBPUBSUB_CONNECTION_STRING": "Port=0"}, "WEBPUBSUB_CONNECTION_STRING", "needs AccessKey"),
    Mistake({"WEBPUBSUB_CONNECTION_STRING_FILE": "nowhere"}, "CONNECTION_STRING_FILE", "nowhere cannot be read"),
    Mistake({"WEBPUBSUB_CONNECTION_STRING_FILE": "empty"}, "CONNECTION_STRING_FILE", "holds no connection string"),
    Mistake({"WEBPUBSUB_MORE_CONNECTION_STRINGS": "AccessKey=k"}, "MORE_CONNECTION_STRINGS", "needs Endpoint"),
    Mistake({"WEBPUBSUB_MORE_CONNECTION_STRINGS": "Endpoint=http://a"}, "MORE_CONNECTION_STRINGS", "needs AccessKey"),
    Mistake({"WEBPUBSUB_ENDPOINT": "contoso"}, "WEBPUBSUB_ENDPOINT", "must start with https://"),
    Mistake({"TRANSLATOR": "babel"}, "TRANSLATOR", "must be 'glossary', 'apertium'"),
    Mistake({"TRANSLATOR_ENDPOINT": "here"}, "TRANSLATOR_ENDPOINT", "must start with https://"),
    Mistake({"IDENTITY": "everybody"}, "IDENTITY", "must be query, app-service"),
    Mistake({"IDENTITY_ISSUER": "contoso"}, "IDENTITY_ISSUER", "must start with https://"),
]
TOGETHER = [
    Mistake({"IDENTITY": "oidc", "IDENTITY_AUDIENCE": None}, "IDENTITY=oidc", "goes together with IDENTITY_ISSUER"),
    Mistake(
        {"WEBHOOK_ENTRA_TENANT": None, "WEBHOOK_ENTRA_AUDIENCE": "a"}, "WEBHOOK_ENTRA_TENANT", "go together: set both"
    ),
    Mistake(
        {"WEBPUBSUB_CONNECTION_STRING": AS_IT_IS, "WEBPUBSUB_CONNECTION_STRING_FILE": "keys"},
        "WEBPUBSUB_CONNECTION_STRING_FILE",
        "set one of them",
    ),
    Mistake(
        {"WEBPUBSUB_CONNECTION_STRING": AS_IT_IS, "WEBPUBSUB_ENDPOINT": "https://other"},
        "WEBPUBSUB_ENDPOINT and WEBPUBSUB_CONNECTION_STRING",
        "different services: leave one out",
    ),
    Mistake({"NEGOTIATE_MINUTES": "60", "NEGOTIATE_MAX_MINUTES": "5"}, "NEGOTIATE_MINUTES", "exceeds"),
    Mistake(
        {"TRANSLATOR": "azure", "TRANSLATOR_KEY": None, "TRANSLATOR_ENDPOINT": None},
        "TRANSLATOR=azure",
        "needs TRANSLATOR_KEY",
    ),
]
BUILT = [
    Mistake({"HUBS": "chat"}, "HUBS", "'chat' is not of the form package.module:ClassName"),
    Mistake({"HUBS": "nowhere.at_all:Hub"}, "HUBS", "cannot import 'nowhere'"),
    Mistake({"HUBS": f"{MISTAKEN}:ChatHub"}, "HUBS", "has no class 'ChatHub' that inherits from Hub"),
    Mistake({"HUBS": f"{MISTAKEN}:NamelessHub"}, "HUBS", "needs a class attribute `name`"),
    Mistake({"HUBS": f"{MISTAKEN}:GreedyHub"}, "HUBS", "asks for database; a hub may ask for Environment"),
    Mistake({"HUBS": f"{MISTAKEN}:RaisingHub"}, "HUBS", "its __init__ raises KeyError: 'CATALOGUE_URL'"),
    Mistake({"HUBS": f"{MISTAKEN}:TwinHub"}, "HUBS", "2 hubs are named 'chat'; leave out all but one"),
    Mistake({"POLICY": "nowhere"}, "POLICY", "nowhere cannot be read: No such file"),
    Mistake({"POLICY": "keys"}, "POLICY", "keys is not TOML"),
    Mistake({"POLICY": "bad.toml"}, "POLICY", "rule 1, who, 0: 'me' is none of"),
    Mistake({"POLICY": "bad.toml"}, "POLICY", "two rules are named twin"),
    Mistake({"IDENTITY": "tests.app.nowhere:identify"}, "IDENTITY", "names no function that can be imported"),
    Mistake({"IDENTITY": f"{MISTAKEN}:not_a_function"}, "IDENTITY", "names no function: "),
    Mistake({"ALLOW_UNVERIFIED_WEBHOOKS": "true"}, "ALLOW_UNVERIFIED_WEBHOOKS", "anybody is believed; turn it off"),
    Mistake({**NO_SERVICE}, "WEBPUBSUB_CONNECTION_STRING", "no service is named: set"),
]
UNPROVEN = Mistake({**NO_PROOF}, "WEBHOOK_ENTRA_TENANT", "nothing could prove them: set")
"""Without a key the service is asked with Entra, which is elsewhere: it stays out of what others are asked."""
ASKED = [
    Mistake({"STORE": "sqlite:///keys/upstream.db"}, "STORE", "cannot be used"),
    Mistake({"STORE": f"redis://app:{PASSWORD}@127.0.0.1:{CLOSED}/0"}, "STORE", "Redis cannot be reached"),
    Mistake({"WEBPUBSUB_CONNECTION_STRING": ANOTHER_KEY}, "WEBPUBSUB_CONNECTION_STRING", "401"),
    Mistake({"IDENTITY_ISSUER": NOBODY}, "IDENTITY_ISSUER", "no answer that could be used"),
    Mistake({"TRANSLATOR": "apertium", "PATH": "/nowhere"}, "TRANSLATOR", "install apertium"),
]
OFFLINE = [*READ, *TOGETHER, *BUILT, UNPROVEN]
MADE_GOOD_BY_ANOTHER = {
    # Whatever it is, there is an endpoint.
    ("needs TRANSLATOR_KEY", "TRANSLATOR_ENDPOINT"),
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with no `.env`, and a configuration in which nothing is wrong."""
    monkeypatch.chdir(tmp_path)
    Path("empty").write_text("")
    Path("keys").write_text(STRING)
    Path("bad.toml").write_text('[[rule]]\nname = "twin"\nwho = ["me"]\n[[rule]]\nname = "twin"\n')
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("WebPubSubConnectionString", raising=False)
    monkeypatch.setenv("HUBS", "tests.app.reference_hub:ReferenceHub")
    monkeypatch.setenv("STORE", "memory://")
    monkeypatch.setenv("WEBPUBSUB_CONNECTION_STRING", STRING)


def both(one: Mistake, other: Mistake) -> dict[str, str | None] | None:
    """The variables of a configuration with both mistakes, where there is one."""
    made = {**one.made, **other.made}
    for name in one.made.keys() & other.made.keys():
        first, second = one.made[name], other.made[name]
        if first != second:
            if name not in LISTS or first is None or second is None:
                return None
            made[name] = f"{first},{second}"
    return made


def make(made: dict[str, str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in made.items():
        match value:
            case None:
                monkeypatch.delenv(name, raising=False)
            case _ if value == AS_IT_IS:
                continue
            case _ if value == ANOTHER_KEY:
                monkeypatch.setenv(name, os.environ[name].replace("AccessKey=", "AccessKey=not-"))
            case _:
                monkeypatch.setenv(name, f"{os.environ[name]},{value}" if name == "HUBS" else value)


async def found(made: dict[str, str | None], *, offline: bool) -> list[Finding]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        make(made, monkeypatch)
        return [one async for one in findings(offline=offline)]


async def wrong(made: dict[str, str | None], *, offline: bool) -> list[str]:
    return [one.said for one in await found(made, offline=offline) if one.verdict is Verdict.WRONG]


def is_named(mistake: Mistake, said: list[str]) -> bool:
    return any(mistake.named in one and mistake.why in one for one in said)


def is_named_by(mistakes: tuple[Mistake, ...], said: str) -> bool:
    return any(is_named(one, [said]) for one in mistakes)


def pairs_with(one: Mistake, others: list[Mistake]) -> Iterator[tuple[Mistake, dict[str, str | None]]]:
    for other in others:
        made = both(one, other)
        hidden = {(one.why, other.named), (other.why, one.named)} & MADE_GOOD_BY_ANOTHER
        if made is not None and not hidden:
            yield other, made


async def test_the_configuration_to_begin_with_is_right() -> None:
    assert await wrong({}, offline=True) == []


async def test_of_any_two_mistakes_both_are_named_and_nothing_else() -> None:
    alone = [await wrong(one.made, offline=True) for one in OFFLINE]

    assert [one for one, said in zip(OFFLINE, alone, strict=True) if not is_named(one, said)] == []
    for index, one in enumerate(OFFLINE):
        for other, made in pairs_with(one, OFFLINE[index + 1 :]):
            said = await wrong(made, offline=True)
            known = {*alone[index], *alone[OFFLINE.index(other)]}
            assert [mistake for mistake in (one, other) if not is_named(mistake, said)] == [], (made, said)
            assert [text for text in said if text not in known and not is_named_by((one, other), text)] == [], made
            assert KEY not in "\n".join(said)
            assert "hunter2" not in "\n".join(said)


async def test_every_setting_that_can_be_refused_is_named_with_all_others() -> None:
    unusable = {
        name.upper(): value
        for name, field in Settings.model_fields.items()
        for kind, value in ((bool, "perhaps"), (int, "many"), (float, "long"), (Literal, "loud"))
        if field.annotation is kind or get_origin(field.annotation) is kind
    }

    said = await wrong({**unusable}, offline=True)

    assert len(unusable) > 20
    assert {one.partition(":")[0] for one in said} == set(unusable)


async def test_most_mistakes_can_be_made_together() -> None:
    possible = [both(*pair) for pair in combinations(OFFLINE, 2)]

    assert sum(one is not None for one in possible) > len(possible) * 0.9


@pytest.mark.parametrize("index", range(len(ASKED)), ids=[f"{one.named}-{one.why}" for one in ASKED])
async def test_what_the_others_answer_is_named_beside_every_mistake(
    index: int, localpubsub: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBPUBSUB_CONNECTION_STRING", localpubsub.connection_string)
    Path("keys").write_text(localpubsub.connection_string)
    mistake = ASKED[index]

    for other, made in pairs_with(mistake, [*READ, *TOGETHER, *BUILT, *ASKED[index:]]):
        said = await wrong(made, offline=False)
        assert [one for one in (mistake, other) if not is_named(one, said)] == [], (made, said)
        assert PASSWORD not in "\n".join(said)


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ({"WEBPUBSUB_CONNECTION_STRING_FILE": "nowhere"}, "set one of them"),
        ({"WEBPUBSUB_CONNECTION_STRING_FILE": "keys", "WEBPUBSUB_CONNECTION_STRING": "x"}, "set one of them"),
        (
            {"WEBPUBSUB_CONNECTION_STRING_FILE": "nowhere", "WEBPUBSUB_ENDPOINT": "https://other"},
            "WEBPUBSUB_ENDPOINT and WEBPUBSUB_CONNECTION_STRING name",
        ),
        (
            {"WEBPUBSUB_CONNECTION_STRING_FILE": "keys", "WEBPUBSUB_ENDPOINT": "https://other"},
            "WEBPUBSUB_ENDPOINT and WEBPUBSUB_CONNECTION_STRING_FILE name",
        ),
        ({"IDENTITY": "query", "IDENTITY_ISSUER": "x", "IDENTITY_AUDIENCE": "y"}, "IDENTITY=oidc goes together"),
    ],
)
async def test_what_cannot_be_used_is_set_all_the_same(made: dict[str, str | None], named: str) -> None:
    assert named in "\n".join(await wrong(made, offline=True))


@pytest.mark.parametrize(
    ("made", "claim"),
    [
        ({"NEGOTIATE_MINUTES": "x", "NEGOTIATE_MAX_MINUTES": "5"}, "exceeds"),
        ({"IDENTITY": "all", "IDENTITY_ISSUER": NOBODY, "IDENTITY_AUDIENCE": "me"}, "IDENTITY=oidc"),
        ({"IDENTITY": "all"}, "IDENTITY is query"),
        ({"WEBPUBSUB_CONNECTION_STRING": "x"}, "no service is named"),
        ({"WEBPUBSUB_CONNECTION_STRING": "x"}, "nothing could prove"),
        ({"WEBPUBSUB_CONNECTION_STRING": "x", "WEBPUBSUB_ENDPOINT": NOBODY}, "different services"),
        ({"WEBPUBSUB_CONNECTION_STRING": "x", "WEBPUBSUB_ENDPOINT": NOBODY}, "credential"),
        ({"STORE": "ftp://x"}, "can be written"),
        ({"TRANSLATOR": "babel"}, "languages"),
        ({"TRANSLATOR": "azure", "TRANSLATOR_ENDPOINT": "x"}, "needs TRANSLATOR_KEY"),
        ({"TRANSLATOR": "azure", "TRANSLATOR_ENDPOINT": "x"}, "languages"),
    ],
)
async def test_nothing_is_said_of_what_cannot_be_told(
    made: dict[str, str | None], claim: str, localpubsub: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBPUBSUB_CONNECTION_STRING", localpubsub.connection_string)

    said = "\n".join(one.said for one in await found(made, offline=False))

    assert "must" in said or "key=value" in said
    assert claim not in said
