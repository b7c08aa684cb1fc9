"""The translator that the settings name."""

from azure.core.credentials import AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential

from app.settings import Settings
from app.translation.apertium import Apertium
from app.translation.azure import GLOBAL_ENDPOINT, AzureTranslator
from app.translation.backend import Backend
from app.translation.careful import CarefulTranslator
from app.translation.glossary import Glossary
from app.translation.shared import Shared


def translator_for(settings: Settings) -> CarefulTranslator:
    """Opens nothing. What the chosen one cannot do, or not now, is left to the glossary."""
    seconds = settings.translator_timeout_seconds
    match settings.translator:
        case "apertium":
            # It takes phrases word by word ("until morning"), so the glossary goes first.
            return CarefulTranslator([Glossary(), Shared(Apertium(), seconds=seconds)])
        case "azure":
            return CarefulTranslator([Shared(_azure(settings), seconds=seconds), Glossary()])
        case _:
            return CarefulTranslator([Glossary()])


def _azure(settings: Settings) -> Backend:
    return AzureTranslator(
        _credential(settings),
        endpoint=settings.translator_endpoint or GLOBAL_ENDPOINT,
        region=settings.translator_region,
        read_seconds=settings.translator_timeout_seconds,
    )


def _credential(settings: Settings) -> AzureKeyCredential | AsyncTokenCredential:
    if settings.translator_key is not None:
        return AzureKeyCredential(settings.translator_key.get_secret_value())
    # A tenth of a second to import, and only translators without a key need it.
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415

    return DefaultAzureCredential()
