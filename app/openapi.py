"""What `/docs` says of the hot routes: declared here, since no framework code infers it."""

from fastapi import FastAPI


def describe(app: FastAPI) -> None:
    """Adds the event handler and negotiate to the document, and every event under `webhooks`."""
