"""The second access key, for calls through the SDK."""

import hmac
from time import time
from typing import Any

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from app.clients.access import sign_token
from app.clients.bearer import KEY_TOKEN_SECONDS
from app.clients.keys import AccessKeys


class OtherKey(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Below the SDK's own signing: a call that is answered 401 is made once more with the key that counts by then."""

    def __init__(self, keys: AccessKeys) -> None:
        super().__init__()
        self._keys = keys

    async def send(self, request: PipelineRequest[HttpRequest]) -> PipelineResponse[HttpRequest, AsyncHttpResponse]:
        below: Any = self.next
        signed_with = self._keys.current
        response: PipelineResponse[HttpRequest, AsyncHttpResponse] = await below.send(request)
        if response.http_response.status_code != 401 or not self._keys.refused(signed_with):
            return response
        claims = {"aud": request.http_request.url, "exp": int(time()) + KEY_TOKEN_SECONDS}
        token = sign_token(claims, hmac.new(self._keys.current, digestmod="sha256"))
        request.http_request.headers["Authorization"] = f"Bearer {token}"
        again: PipelineResponse[HttpRequest, AsyncHttpResponse] = await below.send(request)
        return again
