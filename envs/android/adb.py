"""adb for the embedded phone: the questions that AndroidEnv and its task files ask, answered in the same process."""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from android_env.components import adb_controller, errors

LAUNCHER_ACTIVITY = "com.android.launcher3/com.android.launcher3.Launcher"

_KEYCODES = {
    "KEYCODE_HOME": "HOME",
    "3": "HOME",
    "KEYCODE_BACK": "BACK",
    "4": "BACK",
    "KEYCODE_APP_SWITCH": "RECENTS",
    "187": "RECENTS",
}
# Keys that exist and do nothing on a screen without a text field.
_IDLE_KEYCODES = {"KEYCODE_ENTER", "66", "KEYCODE_WAKEUP", "224"}


class AdbDevice(Protocol):
    """What adb needs of a device."""

    @property
    def foreground(self) -> str | None:
        """Package of the app in front, None on the launcher."""

    def key(self, name: str) -> None:
        """Press HOME, BACK or RECENTS."""

    def touch_down(self, x: float, y: float) -> None:
        """Put a finger down at x, y in [0, 1]."""

    def touch_up(self) -> None:
        """Lift the finger."""

    def launch(self, package: str) -> None:
        """Open an app."""

    def force_stop(self, package: str | None = None) -> None:
        """End one app, or all."""


class EmbeddedAdbController(adb_controller.AdbController):
    """Answers adb commands from a simulated device. An unknown command is an error, never a guess."""

    def __init__(self, device: AdbDevice, activities: Mapping[str, str], screen_size: tuple[int, int]):
        """Connect to a device.

        The parent's constructor is left out on purpose: it deletes ANDROID_HOME from this process's environment.

        Args:
            device: What is asked and acted on.
            activities: Main activity of each installed package, such as {"com.example": ".Main"}.
            screen_size: (height, width) in pixels, the unit of `input tap`.
        """
        self._device = device
        self._activities = activities
        self._screen_size = screen_size
        self._settings: dict[tuple[str, str], str] = {}
        self._commands: dict[str, Callable[[Sequence[str]], str]] = {
            "am": self._am,
            "dumpsys": self._dumpsys,
            "input": self._input,
            "pm": self._pm,
            "service": self._service,
            "settings": self._settings_command,
        }

    def command_prefix(self, include_device_name: bool = True) -> list[str]:
        """Refuse: there is no adb executable.

        Raises:
            AdbControllerError: Always.
        """
        raise errors.AdbControllerError("the embedded phone has no adb executable; use execute_command")

    def init_server(self, timeout: float | None = None) -> None:
        """Do nothing: there is no server."""

    def execute_command(self, args: list[str], timeout: float | None = None, device_specific: bool = True) -> bytes:
        """Run one adb command.

        Args:
            args: As on adb's command line, such as ["shell", "am", "force-stop", "com.example"]. A shell command may
                hold several commands with `;` or `&&` between them, and a last `| grep`.
            timeout: Ignored: answers are immediate.
            device_specific: Ignored: there is one device.

        Raises:
            AdbControllerError: The command is unknown, or fails as it would on a device.
        """
        if args[:1] == ["devices"]:
            return b"List of devices attached\nembedded\tdevice\n"
        if args[:1] != ["shell"]:
            raise self._unknown(args)
        return "".join(self._run(argv) for argv in _split(" ".join(args[1:]))).encode()

    def _run(self, argv: tuple[str, ...]) -> str:
        if "|" in argv:
            pipe = argv.index("|")
            return _grep(argv[pipe + 1 :], self._run(argv[:pipe]))
        command = self._commands.get(argv[0])
        if command is None:
            raise self._unknown(argv)
        return command(argv[1:])

    def _am(self, args: Sequence[str]) -> str:
        match list(args):
            case ["force-stop", package]:
                # As on Android, stopping what is not installed is no error.
                if package in self._activities:
                    self._device.force_stop(package)
                return ""
            case ["kill-all"]:
                self._device.force_stop()
                return ""
            case ["stack", "list"]:
                return self._stack_list()
            case ["broadcast", "-a", action, *_]:
                return f"Broadcasting: Intent {{ act={action} }}\nBroadcast completed: result=0\n"
            case ["start", *options] if "-n" in options[:-1]:
                return self._start(options)
            case ["task", "lock", _]:
                return ""
        raise self._unknown(["am", *args])

    def _start(self, options: list[str]) -> str:
        package = options[options.index("-n") + 1].partition("/")[0]
        if package not in self._activities:
            raise errors.AdbControllerError(f"am start: package {package!r} is not installed")
        if "-S" in options:
            self._device.force_stop(package)
        self._device.launch(package)
        return f"Starting: Intent {{ cmp={self._component(package)} }}\nStatus: ok\nComplete\n"

    def _stack_list(self) -> str:
        height, width = self._screen_size
        package = self._device.foreground
        component = LAUNCHER_ACTIVITY if package is None else self._component(package)
        return (
            f"RootTask id=1 bounds=[0,0][{width},{height}] displayId=0 userId=0\n"
            f"  taskId=1: {component} bounds=[0,0][{width},{height}] userId=0 visible=true "
            f"topActivity=ComponentInfo{{{component}}}\n"
        )

    def _component(self, package: str) -> str:
        activity = self._activities[package]
        return f"{package}/{package if activity.startswith('.') else ''}{activity}"

    def _dumpsys(self, args: Sequence[str]) -> str:
        match list(args):
            case ["input"]:
                return "INPUT MANAGER\n  SurfaceOrientation: 0\n"
            case ["activity", package, *_] if package == self._device.foreground:
                name = self._component(package).rpartition(".")[2]
                return (
                    f"TASK 1 id=1 userId=0\n  ACTIVITY {self._component(package)}\n"
                    f"    View Hierarchy:\n      DecorView@1[{name}]\n"
                )
            case ["activity", package, *_]:
                return f"No activities match: {package}\n"
        raise self._unknown(["dumpsys", *args])

    def _input(self, args: Sequence[str]) -> str:
        match list(args):
            case ["tap", x, y] if x.isdigit() and y.isdigit():
                height, width = self._screen_size
                self._device.touch_down(min((int(x) + 0.5) / width, 1.0), min((int(y) + 0.5) / height, 1.0))
                self._device.touch_up()
                return ""
            case ["keyevent", key] if key in _KEYCODES:
                self._device.key(_KEYCODES[key])
                return ""
            case ["keyevent", key] if key in _IDLE_KEYCODES:
                return ""
            case ["text", _, *_]:
                return ""  # no text field has the focus: the keys go nowhere
        raise self._unknown(["input", *args])

    def _pm(self, args: Sequence[str]) -> str:
        match list(args):
            case ["list", "packages", *_]:
                return "".join(f"package:{package}\n" for package in self._activities)
            case ["clear", package] if package in self._activities:
                self._device.force_stop(package)
                return "Success\n"
        raise self._unknown(["pm", *args])

    def _service(self, args: Sequence[str]) -> str:
        match list(args):
            case ["check", name]:
                return f"Service {name}: found\n"
        raise self._unknown(["service", *args])

    def _settings_command(self, args: Sequence[str]) -> str:
        match list(args):
            case ["put", space, key, value]:
                self._settings[space, key] = value
                return ""
            case ["get", space, key]:
                return self._settings.get((space, key), "null") + "\n"
            case ["delete", space, key]:
                deleted = self._settings.pop((space, key), None)
                return f"Deleted {int(deleted is not None)} rows\n"
            case ["list", space]:
                entries = ((key, value) for (owner, key), value in self._settings.items() if owner == space)
                return "".join(f"{key}={value}\n" for key, value in entries)
        raise self._unknown(["settings", *args])

    @staticmethod
    def _unknown(args: Sequence[str]) -> errors.AdbControllerError:
        return errors.AdbControllerError(f"the embedded phone does not know the adb command {' '.join(args)!r}")


@functools.lru_cache(maxsize=256)
def _split(line: str) -> tuple[tuple[str, ...], ...]:
    """Split a shell line into commands, each a tuple of words; cached, since resets repeat the same long line."""
    commands = (command.replace("|", " | ").split() for command in re.split(r";|&&", line))
    return tuple(tuple(command) for command in commands if command)


def _grep(argv: Sequence[str], text: str) -> str:
    match list(argv):
        case ["grep", pattern] | ["grep", "-E", pattern]:
            wanted = re.compile(pattern.strip("'\""))
            return "".join(line for line in text.splitlines(keepends=True) if wanted.search(line))
    raise errors.AdbControllerError(f"the embedded phone does not know the filter {' '.join(argv)!r}")
