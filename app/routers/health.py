"""Whether the process lives, and whether it can do its work."""

from fastapi import APIRouter, Response

from app.dependencies import ServicesDep

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="The process answers")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", summary="Events can be verified and messages sent", responses={503: {}})
async def readyz(services: ServicesDep, response: Response) -> dict[str, str]:
    settings = services.settings
    if settings.service_url is None:
        response.status_code = 503
        return {"status": "no Web PubSub service is configured"}
    if not (settings.can_verify_events or settings.allow_unverified_webhooks):
        response.status_code = 503
        return {"status": "no event can be verified"}
    return {"status": "ready"}
