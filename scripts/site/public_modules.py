"""Which modules the API reference has: one list for the pages and for what checks them."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Source root, package, and what its part of the reference is called.
PACKAGES = ((ROOT / "platform", "vlm_rewards"), (ROOT, "rllib_configs"))
SETTINGS = (
    "experiments.training.config",
    "experiments.study.study_config",
    "experiments.shared.preset_files",
    "experiments.shared.tracking_config",
)


def modules(source: Path, package: str) -> list[str]:
    """Return the dotted names of a package's public modules, in order."""
    files = sorted(path.relative_to(source).with_suffix("") for path in (source / package).rglob("*.py"))
    names = [".".join(file.parts).removesuffix(".__init__") for file in files]
    return [name for name in names if not any(part.startswith("_") for part in name.split("."))]


def public_modules() -> list[str]:
    """Return the dotted names of all modules that have a page, in the order of the pages."""
    return [*(name for source, package in PACKAGES for name in modules(source, package)), *SETTINGS]


def source_of(name: str) -> Path:
    """Return the file of a module.

    Raises:
        FileNotFoundError: There is none.
    """
    for root, _ in PACKAGES:
        path = root.joinpath(*name.split("."))
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                return file
    raise FileNotFoundError(f"no file of the module {name}")
