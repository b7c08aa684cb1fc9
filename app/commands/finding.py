"""What `webpubsub check` has to say."""

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    GOOD = "good"
    DOUBTFUL = "doubtful"
    WRONG = "wrong"


class Finding(NamedTuple):
    subject: str
    verdict: Verdict
    said: str
    """The setting, what is wrong with it, and what to do."""
