"""Hubs that cannot be used, each for a reason of its own."""

from app.upstream.hub import Environment, Hub


class NamelessHub(Hub): ...


class GreedyHub(Hub):
    name = "greedy"

    def __init__(self, database: object) -> None: ...


class RaisingHub(Hub):
    name = "raising"

    def __init__(self) -> None:
        raise KeyError("CATALOGUE_URL")


class DemonstrationHub(Hub):
    name = "demonstration"

    def __init__(self, environment: Environment) -> None:
        if not environment.believes_query:
            raise LookupError("only where everybody is who they say")


class TwinHub(Hub):
    name = "CHAT"


not_a_function = "an identity that is no function"
