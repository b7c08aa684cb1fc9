"""Text that others chose, for a terminal or a log."""


def printable(value: object) -> str:
    """Clients name users, events and groups: what a terminal would obey, or take for another line, is written out."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
