"""Whether the process lives, and whether it can do its work."""

from fastapi import APIRouter, Response

from app.dependencies import ServicesDep

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="The process answers")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", summary="Events can be verified and messages sent", responses={503: {}})
async def readyz(services: ServicesDep, response: Response) -> dict[str, str]:
    if services.settings.service_url is None:
        response.status_code = 503
        return {"status": "no Web PubSub service is configured"}
    return {"status": "ready"}
