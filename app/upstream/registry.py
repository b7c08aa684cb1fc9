"""The hubs of this process, by name."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_type_hints

from app.upstream.hub import Hub

HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")


class HubError(ValueError):
    """A hub that cannot be loaded; the text says what to change."""


def load_hub_class(path: str) -> type[Hub]:
    """`package.module:ClassName` -> the class. Raises `HubError`."""
    module_name, _, class_name = path.partition(":")
    if not module_name or not class_name:
        raise HubError(f"{path!r} is not of the form package.module:ClassName")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise HubError(f"cannot import {error.name!r} for the hub {path!r}") from error
    except Exception as error:  # whatever a module of somebody's raises while it is read
        raise HubError(f"importing {module_name!r} failed: {type(error).__name__}: {error}") from error
    hub_class = getattr(module, class_name, None)
    if not (isinstance(hub_class, type) and issubclass(hub_class, Hub)):
        raise HubError(f"{module_name!r} has no class {class_name!r} that inherits from Hub")
    name = getattr(hub_class, "name", None)
    if not isinstance(name, str) or not HUB_NAME.fullmatch(name):
        raise HubError(f"{path!r} needs a class attribute `name` that is a legal hub name")
    return hub_class


Collaborators = Mapping[Any, object]
"""What hubs may ask for, by the type they ask with."""


def build_hub(hub_class: type[Hub], available: Collaborators) -> Hub:
    """An instance with the collaborators its `__init__` asks for by type. Raises `HubError`."""
    hints = get_type_hints(hub_class.__init__)
    wanted = inspect.signature(hub_class).parameters
    found = {name: available[hints[name]] for name in wanted if hints.get(name) in available}
    unknown = [name for name, one in wanted.items() if name not in found and one.default is one.empty]
    if unknown:
        raise HubError(
            f"{hub_class.__name__}.__init__ asks for {', '.join(unknown)}; a hub may ask for "
            f"{', '.join(sorted(kind.__name__ for kind in available))}"
        )
    build: Callable[..., Hub] = hub_class
    return build(**found)


def asks_for(hub_class: type[Hub], kind: object) -> bool:
    """Whether its `__init__` asks for a collaborator of this type."""
    return kind in get_type_hints(hub_class.__init__).values()


class HubRegistry:
    """Case-insensitive, as the service is. The first hub is the default of `/negotiate`."""

    def __init__(self, hubs: Iterable[Hub]) -> None:
        self._hubs: dict[str, Hub] = {}
        for hub in hubs:
            if hub.name.lower() in self._hubs:
                raise HubError(f"two hubs are named {hub.name!r}")
            self._hubs[hub.name.lower()] = hub

    def get(self, name: str) -> Hub | None:
        return self._hubs.get(name.lower())

    def __iter__(self) -> Iterator[Hub]:
        return iter(self._hubs.values())
