"""A hook of MkDocs: links from the pages to files of the repository become their names, or a notebook's page."""

import posixpath
import re
from typing import Any

_LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, files: Any, **_: Any) -> str:
    """Return a page's text with such links replaced."""
    folder = posixpath.dirname(page.file.src_uri)

    def replaced(link: re.Match[str]) -> str:
        text, target, _ = link.groups()
        if ":" in target:
            return link[0]
        path = posixpath.normpath(posixpath.join("docs", folder, target))
        if path.startswith("notebooks/") and path.endswith(".py"):  # which have pages, made with the site
            page_of_it = path.removesuffix(".py") + ".md"
            return f"[{text}]({posixpath.relpath(page_of_it, folder or '.')})"
        if path.startswith("docs/"):
            known = files.get_file_from_path(path.removeprefix("docs/"))
            return link[0] if known and known.inclusion.is_included() else f"{text} (`{path}`)"
        return text if text.strip("`") == path else f"{text} (`{path}`)"

    return _LINK.sub(replaced, markdown)
