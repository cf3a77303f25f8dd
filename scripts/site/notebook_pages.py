"""Write a page for each notebook while MkDocs builds the site: its text, its code, and what running it gave."""

import base64
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import mkdocs_gen_files
import nbformat

from scripts.site.notebooks import KEY, SOURCES, executed, read

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def blocks(name: str, notebook: Any) -> Iterator[str]:
    """Yield the page's parts; pictures are written beside it.

    Args:
        name: Of the notebook.
        notebook: With its outputs, or without.
    """
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            # Links are those of the repository.
            yield re.sub(r"\]\(\.\./(?!docs/)", "](../../", cell.source).replace("](../docs/", "](../")
            continue
        yield f"```python\n{cell.source}\n```"
        for place, output in enumerate(cell.get("outputs", [])):
            data = output.get("data", {})
            if output.get("name") == "stderr":  # what libraries say of this machine
                continue
            text = output.get("text") or (data.get("text/plain") if "image/png" not in data else None)
            if text:
                yield f"```text\n{_ESCAPES.sub('', text).rstrip()}\n```"
            if "image/png" in data:
                picture = f"{name}-{number}-{place}.png"
                with mkdocs_gen_files.open(f"notebooks/{picture}", "wb") as file:
                    file.write(base64.b64decode(data["image/png"]))
                yield f"![Figure of the cell above]({picture})"


def write() -> None:
    """Write all pages, and beside each the notebook to download."""
    for source in SOURCES:
        found = executed(source)
        notebook = found or read(source)
        title, *parts = blocks(source.stem, notebook)
        if found is None:
            how = "Not run in this build of the site: `make docs-check` runs it, and shows what comes out."
        else:
            how = f"Run in {found.metadata[KEY]['seconds']:.0f} s when this page was made."
        with mkdocs_gen_files.open(f"notebooks/{source.stem}.ipynb", "w") as file:
            nbformat.write(notebook, file)
        heading, _, text = title.partition("\n")
        line = f"`notebooks/{source.name}`, to open in Jupyter, or [as .ipynb]({source.stem}.ipynb). {how}"
        with mkdocs_gen_files.open(f"notebooks/{source.stem}.md", "w") as page:
            page.write("\n\n".join([heading, line, text.strip(), *parts]) + "\n")


write()
