"""What is to be done once in a while."""


class Period:
    """Due at the first look, and once in `seconds` from then on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = float("-inf")

    def is_due(self, now: float) -> bool:
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True
