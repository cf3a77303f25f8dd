"""What `pip install vlm-rewards` leaves out: rooms whose libraries come with an extra.

The library alone computes rewards and reaches those that others serve. Serving, RLlib, tracking and the rest import
more, and say which extra that is where it is missing. `pyproject.toml` lists the extras.
"""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vlm_rewards.errors import MissingExtraError


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Make a failing import say what to install.

    Used as `with needs_extra("serve"): import ray`.

    Args:
        extra: The extra of this distribution that brings what is imported.

    Raises:
        MissingExtraError: A library of somebody else's is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library == __name__.partition(".")[0]:
            raise
        raise MissingExtraError(
            f"{library or error} is not installed, and needs the extra [{extra}]: pip install 'vlm-rewards[{extra}]'"
        ) from error


def lazy_exports(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a package's `__getattr__`, for names whose modules should only be imported when they are asked for.

    Args:
        package: Its `__name__`.
        modules: The module of each name, relative to the package.
    """

    def exported(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)  # The next access does not come here.
        return value

    return exported
