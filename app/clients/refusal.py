"""What the service said when it refused, for the person who asked. It may name anything: it is not for logs."""

import aiohttp
from azure.core.exceptions import AzureError, HttpResponseError
from pydantic import ValidationError

from app.client.reaching import unreachable
from app.models.wire import WireModel
from app.upstream.errors import ServiceError


class _Refusal(WireModel):
    """What the service says with a status of 400 and above (spec/service.md 8.2)."""

    code: str = ""
    message: str = ""


def words_of(refused: ServiceError) -> tuple[str, str]:
    """The service's code and sentence, where it gave any."""
    match refused.__cause__:
        case HttpResponseError(response=response) if response is not None:
            try:
                refusal = _Refusal.model_validate_json(response.text() or "{}")
            except ValidationError:
                refusal = _Refusal()
            return refusal.code, refusal.message
        case AzureError(inner_exception=aiohttp.ClientConnectorError() as error):
            return "", unreachable(error).sentence
        case AzureError(message=message):
            return "", message
        case _:
            return "", ""
