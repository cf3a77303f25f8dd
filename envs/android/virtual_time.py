"""Virtual time for AndroidEnv's layers: what sleeps on a real device moves a simulated clock instead."""

import importlib.util
from collections.abc import Callable
from types import ModuleType


class VirtualClock:
    """Stands in for the module `time` where AndroidEnv waits for a device.

    Sleeping costs nothing and moves the device's own time forward, so an episode is the same on a slow and on a fast
    machine.
    """

    def __init__(self, advance: Callable[[float], None], epoch: float = 1_700_000_000.0):
        """Start the clock.

        Args:
            advance: Called with the seconds, > 0, that have just passed.
            epoch: What `time()` returns at first, in seconds since 1970.
        """
        self._advance = advance
        self._now = epoch

    def time(self) -> float:
        """Return the virtual time in seconds since 1970."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let `seconds` of virtual time pass."""
        if seconds > 0.0:
            self._now += seconds
            self._advance(seconds)


def private_copy(module_name: str, **replacements: object) -> ModuleType:
    """Load a module a second time, with some of its globals replaced in this copy alone.

    AndroidEnv's set-up interpreter sleeps 0.5 s of wall-clock time after every step and takes no clock. Patching the
    shared module would also stop the clock of a real emulator that runs in the same process; a copy does not.

    Args:
        module_name: Dotted name of an importable module.
        **replacements: Globals of the copy, by name. Each must exist in the module, so that a renamed import in a
            later release shows here and not as an episode that sleeps.

    Returns:
        The copy; it is not entered in `sys.modules`.

    Raises:
        AttributeError: The module has no global of that name.
    """
    spec = importlib.util.find_spec(module_name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"no module named {module_name!r}", name=module_name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in replacements.items():
        if not hasattr(module, name):
            raise AttributeError(f"{module_name} has no global {name!r} to replace")
        setattr(module, name, value)
    return module
