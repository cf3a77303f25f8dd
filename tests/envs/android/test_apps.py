"""The catalogue of apps: what is installed, and that it grows by data alone."""

from pathlib import Path

import pytest
import yaml

from envs.android import apps
from envs.android.apps import (
    APP_SETS,
    APPS,
    CATALOGUE,
    COMMON_APPS,
    DIVERSE_APPS,
    DIVERSE_CATALOGUE,
    AppCatalogue,
    app_set,
    get_app,
)
from envs.android.device import Phone
from envs.android.device.screens import KINDS
from vlm_rewards.errors import ConfigError

YAML = Path(apps.__file__).with_name("apps.yaml")


def entry(**changes: object) -> dict[str, object]:
    """An app that is not in apps.yaml."""
    return {
        "name": "Recipes",
        "package": "org.example.recipes",
        "activity": ".Main",
        "icon": "chef-hat",
        "color": "#FFFFFF",
        "background": "#884422",
        "accent": "#884422",
        "screen": {"kind": "cards", "style": "notes", "primary": "notes", "hint": "Search recipes"},
        "depicts": ["recipes as cards"],
    } | changes


def test_at_least_24_apps_with_the_ten_common_ones() -> None:
    assert len(APPS) >= 24
    assert len(COMMON_APPS) == 10
    assert {app.package for app in COMMON_APPS} <= set(CATALOGUE.by_package)


def test_apps_are_found_by_package_and_by_name() -> None:
    assert get_app("Gmail") is get_app("com.google.android.gm")
    with pytest.raises(ConfigError, match="Gmail"):
        get_app("Gmial")


def test_icons_differ() -> None:
    assert len({(app.icon, app.color, app.background) for app in APPS}) == len({app.icon for app in APPS}) == len(APPS)


def test_fifty_more_apps_need_no_code(tmp_path: Path) -> None:
    raw = yaml.safe_load(YAML.read_text())
    kinds = [app["screen"] for app in raw["apps"]]
    for i in range(50):
        raw["apps"].append(entry(name=f"App {i}", package=f"org.example.app{i}", screen=kinds[i % len(kinds)]))
    path = tmp_path / "more.yaml"
    path.write_text(yaml.safe_dump(raw))
    catalogue = AppCatalogue.from_yaml(path)
    for layout in ("fixed", "shuffled"):
        phone = Phone(1, layout, catalogue)
        placed = [app for slots in (phone.layout.dock, *phone.layout.pages) for app in slots if app is not None]
        assert sorted(placed) == sorted(phone.layout.drawer) == list(range(len(catalogue.apps)))
        assert phone.layout.drawer_screens == 4
        phone.launch("org.example.app49")
        assert phone.render(96, 60).std() > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"icon": "chef-hatt"}, "chef-hat"),
        ({"name": "Gmail"}, "name Gmail"),
        ({"package": "com.google.android.gm"}, "package com.google.android.gm"),
        ({"color": "red"}, "color"),
        ({"colour": "#FFFFFF"}, "colour"),
    ],
)
def test_bad_entries_are_refused_in_one_line(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    raw = yaml.safe_load(YAML.read_text())
    raw["apps"].append(entry(**changes))
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(ConfigError, match=message) as error:
        AppCatalogue.from_yaml(path)
    assert "\n" not in str(error.value)


def test_a_home_screen_with_unknown_apps_is_refused(tmp_path: Path) -> None:
    raw = yaml.safe_load(YAML.read_text())
    raw["home"]["dock"][0] = "Telephone"
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(ConfigError, match="Telephone"):
        AppCatalogue.from_yaml(path)


def test_unknown_screen_kinds_are_refused_at_once(tmp_path: Path) -> None:
    catalogue = AppCatalogue.model_validate({"apps": [entry(screen={"kind": "lists"})]})
    with pytest.raises(ConfigError, match="rows"):
        Phone(0, apps=catalogue)


def test_every_kind_of_screen_is_used() -> None:
    assert {app.screen["kind"] for app in DIVERSE_CATALOGUE.apps} == set(KINDS)


def test_the_diverse_phone_has_fifty_more_apps_and_the_common_ones() -> None:
    assert len(DIVERSE_APPS) == 50
    assert DIVERSE_CATALOGUE.apps == (*APPS, *DIVERSE_APPS)
    assert len(CATALOGUE.apps) == 24
    assert app_set("common") is CATALOGUE
    assert app_set("diverse") is DIVERSE_CATALOGUE
    with pytest.raises(ConfigError, match=", ".join(APP_SETS)):
        app_set("divers")


def test_names_icons_and_screens_of_the_diverse_phone_differ() -> None:
    apps = DIVERSE_CATALOGUE.apps
    for of in (lambda app: app.name.casefold(), lambda app: app.package, lambda app: app.icon):
        assert len({of(app) for app in apps}) == len(apps)
    # The fifty have a kind of screen each.
    assert len({app.screen["kind"] for app in DIVERSE_APPS}) == len(DIVERSE_APPS)
    phrases = [phrase for app in apps for phrase in app.depicts]
    assert len(set(phrases)) == len(phrases)


def test_a_catalogue_that_extends_a_missing_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "more.yaml"
    path.write_text(yaml.safe_dump({"extends": "none.yaml", "apps": [entry()]}))
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        AppCatalogue.from_yaml(path)
