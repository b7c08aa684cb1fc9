"""The command line of the local service, laid over its file."""

import pytest

from localpubsub.config import ConfigError, EventHandler, EventListener, GroupPresence, HubSettings, ServiceConfig
from localpubsub.engine.chaos_rules import ChaosSettings, Drop, RestFailure
from localpubsub.flags import Flags

OWN = EventHandler("http://h/file", ("connect",), "a")


def test_no_flags_leave_everything() -> None:
    base = ServiceConfig(port=9, hubs={"a": HubSettings(event_handlers=(OWN,))}, chaos=ChaosSettings((Drop(),), 3))

    assert Flags().lay_over(base) == base


def test_a_handler_comes_before_those_of_the_file() -> None:
    base = ServiceConfig(hubs={"chat": HubSettings(event_handlers=(OWN,), keep_alive_seconds=3), "b": HubSettings()})
    flags = Flags(
        hub="Chat",
        event_handler="http://h/{event}",
        system_events=" connected, ,disconnected",
        user_event_pattern="roll",
        group_presence="joined",
        handler_token_env="TOKEN",
        event_listener="file:x.jsonl",
        anonymous=True,
    )

    config = flags.lay_over(base, {"TOKEN": "t0ken"})

    presence = GroupPresence(("joined",))
    given = EventHandler("http://h/{event}", ("connected", "disconnected"), "roll", presence, "t0ken")
    assert config.hub("chat") == HubSettings(
        anonymous_connect=True,
        event_handlers=(given, OWN),
        event_listeners=(EventListener("file:x.jsonl", ("connected", "disconnected"), "*"),),
        keep_alive_seconds=3,
    )
    assert config.hub("b") == HubSettings()


def test_a_handler_without_a_hub_is_for_those_the_file_does_not_name() -> None:
    config = Flags(event_handler="http://h").lay_over(ServiceConfig(hubs={"own": HubSettings()}))

    assert config.hub("any").handler("sys", "connect") is not None
    assert config.hub("own").handler("sys", "connect") is None


def test_the_service_itself_and_its_faults() -> None:
    base = ServiceConfig(port=1, chaos=ChaosSettings((Drop(),), 3))

    config = Flags(port=0, host="::1", access_keys=("k" * 32,), chaos=("rest 500",), chaos_seed=0).lay_over(base)

    assert (config.port, config.host, config.access_keys) == (0, "::1", ("k" * 32,))
    assert config.chaos == ChaosSettings((Drop(), RestFailure(status=500)), 0)


def test_the_console_password_is_in_no_text() -> None:
    config = Flags(console_password="s3cr3t").lay_over(ServiceConfig())

    assert config.console_password == "s3cr3t"
    assert "s3cr3t" not in repr((config, Flags(console_password="s3cr3t")))
    assert Flags().lay_over(config).console_password == "s3cr3t"


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (Flags(event_handler="x"), "url_template"),
        (Flags(event_handler="http://h", group_presence="moved"), "event_names: moved"),
        (Flags(event_handler="http://h", handler_token_env="NOT_SET"), "NOT_SET is not set"),
        (Flags(event_listener="x"), "endpoint"),
        (Flags(chaos=("explode",)), "--chaos 'explode'"),
        (Flags(port=70000), "port"),
    ],
)
def test_a_flag_that_makes_no_sense_is_said(flags: Flags, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        flags.lay_over(ServiceConfig(), {})
