"""Write the pages of the API reference, one for each public module, while MkDocs builds the site."""

import sys
from pathlib import Path

import mkdocs_gen_files
from mkdocs_gen_files.nav import Nav

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.site.public_modules import public_modules

# The page's own heading names the module.
OPTIONS = "    options: {show_root_heading: false, show_root_toc_entry: false}\n"


def write() -> None:
    """Write a page for each module, and the list of them."""
    nav = Nav()
    names = public_modules()
    for name in names:
        parts = name.split(".")
        is_package = any(other.startswith(f"{name}.") for other in names)
        path = Path(*parts, "index.md") if is_package else Path(*parts).with_suffix(".md")
        nav[tuple(parts)] = path.as_posix()
        with mkdocs_gen_files.open(Path("reference", path), "w") as page:
            page.write(f"# {name}\n\n::: {name}\n{OPTIONS}")
    with mkdocs_gen_files.open("reference/SUMMARY.md", "w") as summary:
        summary.writelines(nav.build_literate_nav())


write()
