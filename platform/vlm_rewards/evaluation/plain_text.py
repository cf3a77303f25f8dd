"""Names in figures are text, whatever they hold."""


def plain(text: str) -> str:
    """Return a text for matplotlib in which a dollar sign begins no formula."""
    return text.replace("$", r"\$")
