"""The catalogues of installed apps: the common phone's, read from apps.yaml, and the diverse one's with fifty more."""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from vlm_rewards.errors import ConfigError

HERE = Path(__file__).parent
ICON_CODES: dict[str, int] = json.loads((HERE / "assets" / "icons.json").read_text())
RGB = tuple[int, int, int]


def parse_color(text: str) -> RGB:
    """Return the (red, green, blue) bytes of a "#RRGGBB" string."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


class App(BaseModel):
    """One installed app: who it is for the system, how its icon looks, and what its screen shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Label under the icon; also the subject that goals name.
    name: str = Field(min_length=1)
    package: str = Field(pattern=r"^[a-z][\w.]*$")
    # Main activity as the log prints it after "package/": ".Main" or a full class name.
    activity: str = Field(pattern=r"^[\w.]+$")
    # A name listed in assets/icons.txt.
    icon: str
    # Colours "#RRGGBB" of the icon's glyph, of its disc, and of the app's own controls.
    color: str = Field(pattern=r"^#[0-9A-Fa-f]{6}$")
    background: str = Field(pattern=r"^#[0-9A-Fa-f]{6}$")
    accent: str = Field(pattern=r"^#[0-9A-Fa-f]{6}$")
    # `kind` names a function in envs/android/device/screens/, the rest are its parameters.
    screen: Mapping[str, Any]
    # Noun phrases saying what the screen shows, for captions.
    depicts: tuple[str, ...] = Field(min_length=1)

    @field_validator("icon")
    @classmethod
    def _icon_is_in_the_font(cls, icon: str) -> str:
        if icon not in ICON_CODES:
            near = ", ".join(difflib.get_close_matches(icon, ICON_CODES, n=3)) or "none is near"
            raise ValueError(f"icon {icon!r} is not in assets/icons.txt ({near})")
        return icon

    def __hash__(self) -> int:
        return hash(self.package)

    @cached_property
    def accent_rgb(self) -> RGB:
        """The accent as bytes."""
        return parse_color(self.accent)

    @property
    def component(self) -> str:
        """The name Android logs: "package/activity"."""
        return f"{self.package}/{self.activity}"


class AppCatalogue(BaseModel):
    """All installed apps, and where the fixed launcher layout puts them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    apps: tuple[App, ...] = Field(min_length=1)
    # {"rows": icons down a page, "dock": [name or null, ...], "pages": [[name or null, ...], ...]}
    home: Mapping[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_unique_and_known(self) -> "AppCatalogue":
        for field in ("name", "package"):
            values = [getattr(app, field) for app in self.apps]
            if twice := sorted({value for value in values if values.count(value) > 1}):
                raise ValueError(f"more than one app has the {field} {', '.join(twice)}")
        placed = [*self.home.get("dock", []), *(name for page in self.home.get("pages", []) for name in page)]
        if unknown := sorted({name for name in placed if name} - {app.name for app in self.apps}):
            raise ValueError(f"`home` places apps that are not installed: {', '.join(unknown)}")
        return self

    @classmethod
    def from_yaml(cls, path: str | Path) -> "AppCatalogue":
        """Read a catalogue.

        Args:
            path: A file like apps.yaml. With `extends: FILE` (beside it) the apps of that file come first, its home
                screen does not count.

        Raises:
            ConfigError: If the file is not a valid catalogue; the message names the entry.
        """
        try:
            raw = yaml.safe_load(Path(path).read_text())
            if isinstance(raw, dict) and "extends" in raw:
                base = cls.from_yaml(Path(path).parent / raw.pop("extends"))
                raw["apps"] = [*base.apps, *raw.get("apps", ())]
            return cls.model_validate(raw)
        except (OSError, yaml.YAMLError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"{path} is not a catalogue of apps: {reason}") from error

    @cached_property
    def by_package(self) -> dict[str, App]:
        """The apps by package name."""
        return {app.package: app for app in self.apps}

    @cached_property
    def by_name(self) -> dict[str, App]:
        """The apps by label."""
        return {app.name: app for app in self.apps}

    def get(self, package_or_name: str) -> App:
        """Return the app with this package or label.

        Raises:
            ConfigError: If no such app is installed; the message holds near matches.
        """
        app = self.by_package.get(package_or_name) or self.by_name.get(package_or_name)
        if app is None:
            names: Sequence[str] = [*self.by_name, *self.by_package]
            near = ", ".join(difflib.get_close_matches(package_or_name, names, n=3)) or "none is near"
            raise ConfigError(f"no app {package_or_name!r} is installed ({near}); see envs/android/apps.yaml")
        return app

    def has(self, names: Iterable[str]) -> bool:
        """Return whether all apps with these labels are installed."""
        return self.by_name.keys() >= set(names)


CATALOGUE = AppCatalogue.from_yaml(HERE / "apps.yaml")
DIVERSE_CATALOGUE = AppCatalogue.from_yaml(HERE / "diverse_apps.yaml")
# What a phone has installed, by name, smallest first.
APP_SETS: dict[str, AppCatalogue] = {"common": CATALOGUE, "diverse": DIVERSE_CATALOGUE}
APPS: tuple[App, ...] = CATALOGUE.apps
# The ten goals of the paper's "Open Common Apps".
COMMON_APP_NAMES = (
    *("Gmail", "Sheets", "Chrome", "Calculator", "Clock"),
    *("Messages", "Phone", "Calendar", "Docs", "Maps"),
)
COMMON_APPS: tuple[App, ...] = tuple(CATALOGUE.by_name[name] for name in COMMON_APP_NAMES)
# The fifty that only the diverse phone has.
DIVERSE_APPS: tuple[App, ...] = DIVERSE_CATALOGUE.apps[len(APPS) :]


def get_app(package_or_name: str) -> App:
    """Return the installed app with this package or label; raise ConfigError if there is none."""
    return CATALOGUE.get(package_or_name)


def app_set(name: str) -> AppCatalogue:
    """Return the catalogue of a phone; raise ConfigError if there is no app set of this name."""
    if name not in APP_SETS:
        raise ConfigError(f"unknown app set {name!r}: choose from {', '.join(APP_SETS)}")
    return APP_SETS[name]
