"""Settings that go together, or do not."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from app.upstream.connection_string import ConnectionString, connection_strings

if TYPE_CHECKING:
    from app.settings import Settings


def contradictions(settings: "Settings", unusable: Collection[str] = ()) -> list[str]:
    """A sentence each, as far as it can be told.

    Fields in `unusable` are set to what cannot be used, and hold their default here.
    """

    def are_known(*fields: str) -> bool:
        return not any(field in unusable for field in fields)

    def is_set(field: str) -> bool:
        return field in unusable or bool(getattr(settings, field))

    mistakes = {
        "WEBHOOK_ENTRA_TENANT and WEBHOOK_ENTRA_AUDIENCE go together: set both, or none": is_set("webhook_entra_tenant")
        != is_set("webhook_entra_audience"),
        "WEBPUBSUB_CONNECTION_STRING_FILE is in place of WEBPUBSUB_CONNECTION_STRING: set one of them": is_set(
            "webpubsub_connection_string_file"
        )
        and is_set("webpubsub_connection_string"),
        **{
            f"WEBPUBSUB_ENDPOINT and {setting} name different services: leave one out": settings.webpubsub_endpoint
            is not None
            and settings.webpubsub_endpoint.lower() != connection.endpoint.lower()
            for setting, connection in _connections(settings).items()
        },
        "NEGOTIATE_MINUTES exceeds NEGOTIATE_MAX_MINUTES: lower the first, or raise the second": are_known(
            "negotiate_minutes", "negotiate_max_minutes"
        )
        and settings.negotiate_minutes > settings.negotiate_max_minutes,
        "IDENTITY=oidc goes together with IDENTITY_ISSUER and IDENTITY_AUDIENCE: set all of them, or none": are_known(
            "identity"
        )
        and (settings.identity == "oidc") != (is_set("identity_issuer") and is_set("identity_audience")),
        "TRANSLATOR=azure needs TRANSLATOR_KEY, or TRANSLATOR_ENDPOINT for Entra": settings.translator == "azure"
        and not (is_set("translator_key") or is_set("translator_endpoint")),
    }
    return [mistake for mistake, is_made in mistakes.items() if is_made]


def _connections(settings: "Settings") -> dict[str, ConnectionString]:
    """The services that are named with a key, by the setting that names them."""
    text, file = settings.webpubsub_connection_string, settings.webpubsub_connection_string_file
    named = {
        "WEBPUBSUB_CONNECTION_STRING": connection_strings(text.get_secret_value()) if text else (),
        "WEBPUBSUB_CONNECTION_STRING_FILE": settings.own_connections if file else (),
    }
    return {setting: connections[0] for setting, connections in named.items() if connections}
