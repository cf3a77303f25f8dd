"""Where a real Android emulator is, and how fast it is played."""

import os
from pathlib import Path

from android_env.components import config_classes
from pydantic import Field

from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import StrictConfig

_HINT = "pass it to OpenAppEnv as emulator={{{name!r}: ...}}"


class EmulatorOptions(StrictConfig):
    """Where the emulator is, and how fast it is played.

    Either an emulator is started (`emulator_path`, `android_sdk_root`, `android_avd_home`, `avd_name`), or one that
    runs already is used (`adb_port`, `emulator_console_port`, `grpc_port`, all three). Paths may begin with `~`.

    Attributes:
        adb_path: The `adb` executable; always needed.
        adb_server_port: Port of the adb server.
        emulator_path: The `emulator` executable.
        android_sdk_root: The Android SDK's folder.
        android_avd_home: The folder that holds the virtual devices.
        avd_name: The virtual device to start.
        snapshot_name: A snapshot of it to load; empty for a cold boot.
        kvm_device: Path of the KVM device.
        gpu_mode: The emulator's `-gpu`.
        run_headless: Whether to start without a window.
        tmp_dir: Folder for the emulator's temporary files.
        adb_port: ADB port of a running emulator (its serial is `emulator-<adb_port - 1>`).
        emulator_console_port: Console port of a running emulator.
        grpc_port: gRPC port of a running emulator (`emulator -grpc PORT`).
        settle_s: Wall-clock seconds after each action before the screen and the log are read. It has to cover a cold
            start of an app: what is logged later counts for the next action.
        max_rate_hz: Most AndroidEnv steps a second; 0 for no limit.
        packages: Package by goal id, where it is not the one in envs/android/apps.yaml.
        task_path: An AndroidEnv task textproto, in place of tasks/open_app.textproto.
    """

    adb_path: str = "~/Android/Sdk/platform-tools/adb"
    adb_server_port: int = Field(default=5037, gt=0, lt=65536)
    emulator_path: str = "~/Android/Sdk/emulator/emulator"
    android_sdk_root: str = "~/Android/Sdk"
    android_avd_home: str = "~/.android/avd"
    avd_name: str = ""
    snapshot_name: str = ""
    kvm_device: str = "/dev/kvm"
    gpu_mode: str = config_classes.GPUMode.SWANGLE_INDIRECT.value
    run_headless: bool = True
    tmp_dir: str = "/tmp/android_env/simulator/"
    adb_port: int = Field(default=0, ge=0, lt=65536)
    emulator_console_port: int = Field(default=0, ge=0, lt=65536)
    grpc_port: int = Field(default=0, ge=0, lt=65536)
    settle_s: float = Field(default=1.5, ge=0.0)
    max_rate_hz: float = Field(default=20.0, ge=0.0)
    packages: dict[str, str] = Field(default_factory=dict)
    task_path: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether an emulator that runs already is used."""
        return bool(self.adb_port and self.emulator_console_port and self.grpc_port)

    def check(self) -> None:
        """Check that what is needed is there.

        Raises:
            ConfigError: Names the first option whose file, folder or value is missing.
        """
        ports = {name: getattr(self, name) for name in ("adb_port", "emulator_console_port", "grpc_port")}
        if any(ports.values()) and not all(ports.values()):
            missing = next(name for name, port in ports.items() if not port)
            raise ConfigError(
                f"emulator.{missing} is not set, but other ports are; a running emulator needs adb_port, "
                f"emulator_console_port and grpc_port: {_hint(missing)}"
            )
        _check_program("adb_path", self.adb_path)
        if not self.is_running:
            _check_program("emulator_path", self.emulator_path)
            _check_folder("android_sdk_root", self.android_sdk_root)
            _check_folder("android_avd_home", self.android_avd_home)
            if not self.avd_name:
                raise ConfigError(
                    f"emulator.avd_name is not set; name a virtual device (`emulator -list-avds`): {_hint('avd_name')}"
                )
        if self.task_path is not None and not Path(os.path.expanduser(self.task_path)).is_file():
            raise ConfigError(f"emulator.task_path: no file {self.task_path!r}; {_hint('task_path')}")

    def android_env_config(self, task_path: str | Path) -> config_classes.AndroidEnvConfig:
        """Return AndroidEnv's own configuration.

        Args:
            task_path: The task textproto.
        """
        return config_classes.AndroidEnvConfig(
            task=config_classes.FilesystemTaskConfig(path=str(os.path.expanduser(self.task_path or task_path))),
            # `expected_app_screen` is empty, so there is no screen to check for.
            task_manager=config_classes.TaskManagerConfig(dumpsys_check_frequency=0),
            coordinator=config_classes.CoordinatorConfig(
                # AndroidEnv shows touches and pointer lines by default: they would be drawn into CLIP's pixels.
                device_settings=config_classes.DeviceSettingsConfig(
                    show_touches=False, show_pointer_location=False, show_status_bar=True, show_navigation_bar=True
                )
            ),
            simulator=config_classes.EmulatorConfig(
                emulator_launcher=config_classes.EmulatorLauncherConfig(
                    emulator_path=self.emulator_path,
                    android_sdk_root=self.android_sdk_root,
                    avd_name=self.avd_name,
                    android_avd_home=self.android_avd_home,
                    snapshot_name=self.snapshot_name,
                    kvm_device=self.kvm_device,
                    tmp_dir=self.tmp_dir,
                    gpu_mode=self.gpu_mode,
                    run_headless=self.run_headless,
                    adb_port=self.adb_port,
                    emulator_console_port=self.emulator_console_port,
                    grpc_port=self.grpc_port,
                ),
                adb_controller=config_classes.AdbControllerConfig(
                    adb_path=str(os.path.expanduser(self.adb_path)), adb_server_port=self.adb_server_port
                ),
            ),
        )


def _hint(name: str) -> str:
    return _HINT.format(name=name)


def _check_program(name: str, path: str) -> None:
    expanded = Path(os.path.expanduser(path))
    if not expanded.is_file():
        raise ConfigError(f"emulator.{name}: no program at {path!r}; {_hint(name)}")
    if not os.access(expanded, os.X_OK):
        raise ConfigError(f"emulator.{name}: {path!r} is not executable; run `chmod +x` on it, or name another")


def _check_folder(name: str, path: str) -> None:
    if not Path(os.path.expanduser(path)).is_dir():
        raise ConfigError(f"emulator.{name}: no folder {path!r}; {_hint(name)}")
