"""Write the pages of the API reference, one for each public module, while MkDocs builds the site."""

from pathlib import Path

import mkdocs_gen_files
from mkdocs_gen_files.nav import Nav

ROOT = Path(__file__).resolve().parents[2]
# Source root, package, and what its part of the reference is called.
PACKAGES = ((ROOT / "platform", "vlm_rewards"), (ROOT, "rllib_configs"))
SETTINGS = ("experiments.training.config", "experiments.study.study_config", "experiments.shared.preset_files")

# The page's own heading names the module.
OPTIONS = "    options: {show_root_heading: false, show_root_toc_entry: false}\n"


def modules(source: Path, package: str) -> list[str]:
    """Return the dotted names of a package's public modules, in order."""
    files = sorted(path.relative_to(source).with_suffix("") for path in (source / package).rglob("*.py"))
    names = [".".join(file.parts).removesuffix(".__init__") for file in files]
    return [name for name in names if not any(part.startswith("_") for part in name.split("."))]


def write() -> None:
    """Write a page for each module, and the list of them."""
    nav = Nav()
    names = [name for source, package in PACKAGES for name in modules(source, package)]
    for name in [*names, *SETTINGS]:
        parts = name.split(".")
        is_package = any(other.startswith(f"{name}.") for other in names)
        path = Path(*parts, "index.md") if is_package else Path(*parts).with_suffix(".md")
        nav[tuple(parts)] = path.as_posix()
        with mkdocs_gen_files.open(Path("reference", path), "w") as page:
            page.write(f"# {name}\n\n::: {name}\n{OPTIONS}")
    with mkdocs_gen_files.open("reference/SUMMARY.md", "w") as summary:
        summary.writelines(nav.build_literate_nav())


write()
