"""What routes may ask for, one alias each."""

from typing import Annotated

from fastapi import Depends, Request

from app.services import Services
from app.upstream.registry import HubRegistry


def get_services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(get_services)]


def get_hubs(services: ServicesDep) -> HubRegistry:
    return services.hubs


HubsDep = Annotated[HubRegistry, Depends(get_hubs)]
