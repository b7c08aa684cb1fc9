"""Settings in code: what a configuration holds, and what it refuses."""

import math
from typing import Any

import pytest

from localpubsub.config import (
    DEFAULT_ACCESS_KEY,
    ConfigError,
    EventHandler,
    EventListener,
    GroupPresence,
    HubSettings,
    ServiceConfig,
    UserEvents,
)
from localpubsub.flags import Flags

HANDLER = "http://localhost:8000/eventhandler"


def test_the_default_key_stays_on_this_machine() -> None:
    assert ServiceConfig(host="::1").access_keys == (DEFAULT_ACCESS_KEY,)
    with pytest.raises(ConfigError):
        ServiceConfig(host="192.0.2.1")
    own = ServiceConfig(host="192.0.2.1", access_keys=("a-key-of-at-least-thirty-two-bytes",))
    assert own.host == "192.0.2.1"


@pytest.mark.parametrize(
    "template",
    [
        "http://{hub}.example.net/x",
        "http://h:port/x",
        "http://[::1/x",
        "http://h/a b",
        "ftp://h/x",
        "tunnel://host/x",
        "tunnel:",
        "http://h/{group}",
        "http://h/{@Microsoft.KeyVault(SecretUri=https://v/s)}",
        "http:///x",
        "",
    ],
)
def test_a_template_that_cannot_be_called_is_refused(template: str) -> None:
    with pytest.raises(ConfigError, match="url_template"):
        EventHandler(template)


@pytest.mark.parametrize("template", ["tunnel:///hooks/{event}", "https://[::1]:8443/{HUB}?code={event}", HANDLER])
def test_a_template_may_be(template: str) -> None:
    assert EventHandler(template).url_template == template


def test_every_hub_may_have_a_default() -> None:
    settings = HubSettings(anonymous_connect=True)

    config = ServiceConfig(hubs={"_default": settings, "own": HubSettings()})

    assert config.hub("any") is settings
    assert not config.hub("own").anonymous_connect


def test_hubs_that_differ_in_case_are_one_and_said() -> None:
    with pytest.raises(ConfigError, match="letters' case"):
        ServiceConfig(hubs={"Chat": HubSettings(), "chat": HubSettings()})


@pytest.mark.parametrize(
    ("pattern", "taken"),
    [("*", True), ("roll", True), ("ROLL", True), ("a, Roll ,b", True), ("a,*", True), ("rolls", False), ("", False)],
)
def test_user_events_are_matched_by_name(pattern: str, *, taken: bool) -> None:
    assert UserEvents(pattern).take("roll") is taken


def test_an_empty_name_in_a_pattern_takes_nothing() -> None:
    assert not UserEvents("a,,b").take("")


def test_the_first_handler_that_takes_an_event_gets_it() -> None:
    first, second = EventHandler(f"{HANDLER}/1", ("Connect",), "a"), EventHandler(f"{HANDLER}/2", ("connect",), "*")
    hub = HubSettings(event_handlers=(first, second))

    assert hub.handler("sys", "connect") is first
    assert hub.handler("user", "A") is first
    assert hub.handler("user", "b") is second
    assert hub.handler("sys", "connected") is None


def test_group_presence_is_off_until_an_event_is_named() -> None:
    hub = HubSettings(
        event_handlers=(
            EventHandler(f"{HANDLER}/0", ("connected",), "*"),
            EventHandler(f"{HANDLER}/1", group_presence_events=GroupPresence(("joined",), ("room.*", "lobby"))),
            EventHandler(f"{HANDLER}/2", group_presence_events=GroupPresence(("joined", "Left"))),
        )
    )
    _, first, second = hub.event_handlers

    assert hub.presence_handler("joined", "room.1") is first
    assert hub.presence_handler("joined", "lobby") is first
    assert hub.presence_handler("joined", "room.1.a") is second
    assert hub.presence_handler("left", "room.1") is second
    assert HubSettings(event_handlers=(first,)).presence_handler("left", "room.1") is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: GroupPresence(("moved",)),
        lambda: GroupPresence(("joined",), ("a\\",)),
        lambda: EventListener("file:x", ("connect",)),
        lambda: EventListener("eventhub:x"),
        lambda: EventListener("file:"),
        lambda: EventHandler(HANDLER, ("joined",)),
        lambda: EventHandler(HANDLER, bearer_token="two words"),
        lambda: HubSettings(keep_alive_seconds=0),
        lambda: HubSettings(keep_alive_seconds=121),
        lambda: HubSettings(keep_alive_seconds=math.nan),
        lambda: ServiceConfig(delivery_seconds=math.nan),
        lambda: ServiceConfig(ping_seconds=0),
        lambda: ServiceConfig(retry_delays=(-1.0,)),
        lambda: ServiceConfig(retry_delays=(math.inf,)),
        lambda: ServiceConfig(retry_delays=(1.0,) * 11),
        lambda: ServiceConfig(public_endpoints=("example.net",)),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()


def test_a_secret_is_in_no_text() -> None:
    handler = EventHandler(HANDLER, bearer_token="s3cr3t")

    key = "s3cr3t-key-that-is-long-enough-to-be-one"
    config = ServiceConfig(
        access_keys=(key,), console_password="s3cr3t", hubs={"a": HubSettings(event_handlers=(handler,))}
    )

    assert "s3cr3t" not in f"{config!r} {config}"
    assert "s3cr3t" not in repr(Flags(access_keys=(key,), console_password="s3cr3t"))


def test_listeners_hear_what_they_ask_for() -> None:
    one, two = EventListener("log:", ("connected",)), EventListener("file:x", (), "roll")
    hub = HubSettings(event_listeners=(one, two, EventListener("log:", ("connected",), "*")))

    assert hub.listeners("sys", "connected") == (one, hub.event_listeners[2])
    assert hub.listeners("user", "roll") == hub.event_listeners[1:]
    assert hub.listeners("sys", "connect") == ()
    assert hub.listeners("gp", "joined") == ()


def test_a_hub_may_ping_more_often() -> None:
    config = ServiceConfig(ping_seconds=25, hubs={"quick": HubSettings(keep_alive_seconds=2)})

    assert (config.ping_interval("quick"), config.ping_interval("other")) == (2, 25)


def test_what_cannot_change_while_it_runs_is_named() -> None:
    running = ServiceConfig(port=1, hubs={"a": HubSettings()})
    other = ServiceConfig(port=2, access_keys=("k" * 32,), hubs={"b": HubSettings(anonymous_connect=True)})

    assert running.take_over(other) == ("port",)

    assert (running.port, running.access_keys) == (1, ("k" * 32,))
    assert running.hub("b").anonymous_connect


def test_a_service_that_others_reach_never_takes_over_the_key_that_everybody_knows() -> None:
    running = ServiceConfig(host="192.0.2.1", access_keys=("k" * 32,))

    assert running.take_over(ServiceConfig(host="::1")) == ("host", "access_keys")

    assert running.access_keys == ("k" * 32,)
