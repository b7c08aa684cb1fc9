"""Every setting, once. Read from the environment and `.env`; nothing is read at import."""

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.fanout.stores import check_store_url
from app.models.negotiate import MOST_MINUTES
from app.settings_together import contradictions
from app.upstream.connection_string import ConnectionString, connection_strings, read_connection_strings
from app.upstream.gate import parse_network
from app.upstream.origins import Endpoint, endpoints_of
from app.upstream.policy import Limit
from app.upstream.registry import load_hub_class

IDENTITIES = ("query", "app-service", "oidc")


def _list_of_text(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(entry for part in value.split(",") if (entry := part.strip()))
    return value


def _check_each(values: Iterable[str], check: Callable[[str], object]) -> None:
    """Raises `ValueError` with what `check` raises of every one."""
    mistakes = []
    for value in values:
        try:
            check(value)
        except ValueError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ValueError("; ".join(mistakes))


def _check_url(value: str) -> None:
    if not value.startswith(("https://", "http://")) or not urlsplit(value).hostname:
        raise ValueError("must start with https:// or http:// and name a host")


TextList = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Frozen. Half a configuration does not start."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    webpubsub_connection_string: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("WEBPUBSUB_CONNECTION_STRING", "WebPubSubConnectionString"),
        description="The service this upstream belongs to, with an access key",
    )
    webpubsub_connection_string_file: Path | None = Field(
        default=None,
        description="In place of it: a file with one or several, the first is signed and sent with; read again when "
        "it changes, so that keys rotate without a restart",
    )
    webpubsub_more_connection_strings: SecretStr | None = Field(
        default=None,
        description="Comma-separated: the other key during a rotation, further services that may deliver events",
    )
    webpubsub_endpoint: str | None = Field(
        default=None, description="The service by its URL; calls authenticate with Entra instead of a key"
    )
    webpubsub_allowed_origins: TextList = Field(
        default=(), description="Hosts that may call beside the endpoints (custom domains, replicas); `*` is any"
    )
    webhook_entra_tenant: str | None = Field(
        default=None, description="Tenant id; with the audience it turns on Entra verification of events"
    )
    webhook_entra_audience: TextList = Field(default=(), description="Audiences a token may be issued for")
    webhook_entra_callers: TextList = Field(
        default=(), description="Object or application ids of the services that may call; empty: any in the tenant"
    )
    webhook_code: SecretStr | None = Field(
        default=None, description="A secret that the URL of the event handler must carry as ?code="
    )
    webhook_allowed_networks: TextList = Field(
        default=(), description="Addresses and networks events may come from, as 20.42.0.0/16; empty: any"
    )
    trusted_proxies: TextList = Field(
        default=(),
        description="Addresses and networks of the proxies whose X-Forwarded-For is believed; empty: nobody's",
    )
    allow_unverified_webhooks: bool = Field(
        default=False, description="DANGEROUS: believe events nobody signed. For development only"
    )
    hubs: TextList = Field(
        default=(
            "app.hubs.chat:ChatHub",
            "app.hubs.control_tower.hub:ControlTowerHub",
            "app.hubs.multilingual.hub:MultilingualHub",
        ),
        description="package.module:ClassName, comma-separated",
    )
    development: bool = Field(default=False, description="Hubs may invent identities; never in production")
    strict_cloudevents: bool = Field(default=False, description="Refuse events that leave out optional attributes")
    ignore_unknown_events: bool = Field(
        default=False, description="Answer 204, not 404, to event types of a newer service"
    )
    max_body_bytes: int = Field(
        default=2 * 1024 * 1024, ge=2, le=32 * 1024 * 1024, description="Larger events are answered 413"
    )
    max_header_bytes: int = Field(
        default=64 * 1024, ge=32 * 1024, le=128 * 1024, description="Larger headers are answered 431"
    )
    handler_timeout_seconds: float = Field(default=30, gt=0, le=100, description="Then the event is answered 500")
    shutdown_grace_seconds: float = Field(default=20, ge=0, description="How long a stop waits for handlers")
    idempotency_seconds: float = Field(
        default=180, gt=0, description="How long the answer to a delivery is kept for its redelivery"
    )
    idempotency_max_answers: int = Field(default=100_000, ge=1, description="The oldest are forgotten first")
    store: SecretStr = Field(
        default=SecretStr("sqlite:///data/upstream.db"),
        description="Keeps unsent messages and what hubs keep: sqlite:///file (one process), redis://host/0 (several), "
        "memory://",
    )
    fanout_max_messages: int = Field(default=200_000, ge=1, description="With more unsent, events are answered 503")
    fanout_max_bytes: int = Field(
        default=256 * 1024 * 1024, ge=1024, description="With more bytes unsent, events are answered 503"
    )
    fanout_concurrency: int = Field(default=128, ge=1, le=10_000, description="Sends at one time, over all lanes")
    fanout_send_timeout_seconds: float = Field(default=10, gt=0, description="Per attempt")
    fanout_deadline_seconds: float = Field(
        default=300, gt=0, description="From the first attempt; then a message goes to the dead letters"
    )
    negotiate_minutes: int = Field(default=60, ge=1, le=MOST_MINUTES, description="Lifetime of a client access URL")
    negotiate_max_minutes: int = Field(default=MOST_MINUTES, ge=1, description="The most a caller may ask for")
    negotiate_roles: TextList = Field(default=(), description="Roles every negotiated client gets")
    negotiate_groups: TextList = Field(default=(), description="Groups every negotiated client starts in")
    negotiate_limit: Annotated[Limit | None, NoDecode] = Field(
        default=None, description="How many client access URLs an address may ask for, as 60 per minute; empty: any"
    )
    identity: str = Field(
        default="query",
        description="Who asks /negotiate: query (?id= is believed: for development), app-service (its headers; only "
        "behind a front end that strips them), oidc (a bearer token), or package.module:function",
    )
    identity_issuer: str | None = Field(default=None, description="For oidc: the issuer, exactly as its tokens name it")
    identity_audience: TextList = Field(default=(), description="For oidc: audiences a token may be issued for")
    identity_user_claim: str = Field(default="sub", description="For oidc: the claim that is the user id")
    policy: Path | None = Field(
        default=None, description="A file that says who may join, send and raise what, and how often; none: hubs decide"
    )
    cors_origins: TextList = Field(
        default=(), description="Other sites whose pages may ask /negotiate, as https://shop.example; empty: none"
    )
    service_timeout_seconds: float = Field(default=30, gt=0, description="Per call to the service")
    translator: Literal["glossary", "apertium", "azure"] = Field(
        default="glossary", description="glossary, apertium or azure; what the last two cannot do is the glossary's"
    )
    translator_key: SecretStr | None = Field(default=None, description="Of Azure Translator; without one it is Entra")
    translator_region: str | None = Field(default=None, description="Of Azure Translator, where its key is a region's")
    translator_endpoint: str | None = Field(
        default=None, description="Of Azure Translator, where it has one of its own; Entra needs it"
    )
    translator_timeout_seconds: float = Field(
        default=3, gt=0, le=30, description="Then a message goes out in the original"
    )
    telemetry: bool = Field(
        default=False, description="OpenTelemetry traces of events and sends, exported as the OTEL_* variables say"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="json, console, or auto: console in a terminal"
    )

    _split = field_validator(
        "webpubsub_allowed_origins",
        "webhook_entra_audience",
        "webhook_entra_callers",
        "webhook_allowed_networks",
        "trusted_proxies",
        "hubs",
        "negotiate_roles",
        "negotiate_groups",
        "identity_audience",
        "cors_origins",
        mode="before",
    )(_list_of_text)

    @field_validator("log_level", "log_format", "translator", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("store")
    @classmethod
    def _store(cls, value: SecretStr) -> SecretStr:
        check_store_url(value.get_secret_value())
        return value

    @field_validator("webhook_allowed_networks", "trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _check_each(value, parse_network)
        return value

    @field_validator("webpubsub_endpoint", "translator_endpoint")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value is not None:
            _check_url(value)
        return value.rstrip("/") if value else None

    @field_validator("identity_issuer")
    @classmethod
    def _issuer(cls, value: str | None) -> str | None:
        if value is not None:
            _check_url(value)
        return value

    @field_validator("identity")
    @classmethod
    def _identity(cls, value: str) -> str:
        if ":" not in value and value not in IDENTITIES:
            raise ValueError(f"must be {', '.join(IDENTITIES)} or package.module:function")
        return value

    @field_validator("hubs")
    @classmethod
    def _hubs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("names no hub")
        _check_each(value, load_hub_class)
        return value

    @field_validator("webpubsub_connection_string", "webpubsub_more_connection_strings")
    @classmethod
    def _connections(cls, value: SecretStr | None) -> SecretStr | None:
        _parsed(value)
        return value

    @field_validator("webpubsub_connection_string_file")
    @classmethod
    def _file(cls, value: Path | None) -> Path | None:
        if value is not None:
            read_connection_strings(value)
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if found := contradictions(self):
            raise ValueError("; ".join(found))
        return self

    @cached_property
    def own_connections(self) -> tuple[ConnectionString, ...]:
        """The first is of the service this upstream sends through, as of the start."""
        file = self.webpubsub_connection_string_file
        return read_connection_strings(file) if file else _parsed(self.webpubsub_connection_string)

    @property
    def connection(self) -> ConnectionString | None:
        """The service this upstream sends through, where it has a key for it."""
        return next(iter(self.own_connections), None)

    @cached_property
    def further_connections(self) -> tuple[ConnectionString, ...]:
        return _parsed(self.webpubsub_more_connection_strings)

    @property
    def service_url(self) -> str | None:
        """Where the service is, `None` when no service is configured."""
        return self.connection.endpoint if self.connection else self.webpubsub_endpoint

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every service that may deliver events, as of the start."""
        return endpoints_of((*self.own_connections, *self.further_connections), self.webpubsub_endpoint)

    @property
    def verifies_with_entra(self) -> bool:
        return self.webhook_entra_tenant is not None

    @property
    def can_verify_events(self) -> bool:
        """Whether an event can be proven to come from the service."""
        return self.verifies_with_entra or any(endpoint.access_keys for endpoint in self.endpoints)


def _parsed(text: SecretStr | None) -> tuple[ConnectionString, ...]:
    return connection_strings(text.get_secret_value()) if text else ()
