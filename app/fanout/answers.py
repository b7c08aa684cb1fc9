"""Keys and answers of deliveries as JSON text, for stores."""

from base64 import b64decode, b64encode

from pydantic_core import from_json, to_json

from app.upstream.idempotency import Key
from app.upstream.reply import NO_CONTENT, Reply

_NOTHING = '[204,"",[]]'


def encode_key(key: Key) -> str:
    return to_json(key).decode()


def decode_key(text: str) -> Key:
    hub, connection_id, physical_connection_id, event_id = from_json(text)
    return hub, connection_id, physical_connection_id, event_id


def encode_reply(reply: Reply) -> str:
    if reply == NO_CONTENT:
        return _NOTHING  # most answers
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in reply.headers]
    return to_json([reply.status, b64encode(reply.body).decode(), headers]).decode()


def decode_reply(text: str | bytes) -> Reply:
    status, body, headers = from_json(text)
    return Reply(
        status, b64decode(body), tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)
    )
