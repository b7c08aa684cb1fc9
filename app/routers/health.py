"""Whether the process lives, whether it can do its work, and how it is doing."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.dependencies import ServicesDep

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="The process answers")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
async def metrics(services: ServicesDep) -> Response:
    return Response(generate_latest(services.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/readyz", summary="Events can be verified and messages sent", responses={503: {}})
async def readyz(services: ServicesDep, response: Response) -> dict[str, str]:
    settings = services.settings
    if settings.service_url is None:
        response.status_code = 503
        return {"status": "no Web PubSub service is configured"}
    if not (settings.can_verify_events or settings.allow_unverified_webhooks):
        response.status_code = 503
        return {"status": "no event can be verified"}
    if services.fanout is not None and services.fanout.outbox.failure is not None:
        response.status_code = 503
        return {"status": f"nothing can be accepted: {services.fanout.outbox.failure}"}
    return {"status": "ready"}
