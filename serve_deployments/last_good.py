"""What the cluster last served well: kept in Ray's own store, which a head with a Redis finds again."""

import json
from collections.abc import Iterable
from typing import Any

import ray
from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_get, _internal_kv_put

from serve_deployments.serve_file import ServeApp

_NAMESPACE = b"vlm_rewards"
_GOOD, _FAILED, _CODE = "serve-good:", "serve-failed:", "serve-code:"


def remember(app: ServeApp) -> None:
    """Keep an application that has become healthy, and forget that a change of it failed."""
    _put(_GOOD + app.name, app.model_dump(mode="json", exclude_unset=True))
    _internal_kv_del((_FAILED + app.name).encode(), namespace=_NAMESPACE)


def last_good(name: str) -> ServeApp | None:
    """Return an application as it was last healthy; None if it never was by this way."""
    values = _get(_GOOD + name)
    return ServeApp(**values) if values is not None else None


def note_failure(name: str, reason: str) -> None:
    """Keep in one line why the last change of an application failed."""
    _put(_FAILED + name, reason)


def failure(name: str) -> str:
    """Return why the last change of an application failed; empty where it did not."""
    return str(_get(_FAILED + name) or "")


def keep_code(apps: Iterable[str]) -> None:
    """Keep the uploaded code of this job for as long as these applications are made of it.

    Ray deletes a job's package when the last process that uses it ends. A reward's only replica may be that process,
    and the one that replaces it needs the package.
    """
    package = code_package()
    if not package:
        return
    used = (_get(_CODE) or {}) | dict.fromkeys(apps, package)
    _put(_CODE, used)
    keepers = {_keeper_name(each) for each in used.values()}
    if _keeper_name(package) in keepers:
        _Keeper.options(  # type: ignore[attr-defined]  # Ray's decorator adds it
            name=_keeper_name(package),
            namespace="vlm_rewards",
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            max_restarts=-1,
        ).remote()
    for each in ray.util.list_named_actors(all_namespaces=True):
        if each["namespace"] == "vlm_rewards" and each["name"] not in keepers:
            ray.kill(ray.get_actor(each["name"], namespace="vlm_rewards"))


def code_package() -> str:
    """Return the address of this job's uploaded code; empty where it is the node's own."""
    package = str(ray.get_runtime_context().runtime_env.get("working_dir", ""))
    return package if package.startswith("gcs://") else ""


@ray.remote
class _Keeper:
    """Does nothing but exist, with the package as its runtime environment."""


def _keeper_name(package: str) -> str:
    return f"code-of-{package.rsplit('/', 1)[-1]}"


def _put(key: str, value: object) -> None:
    _internal_kv_put(key.encode(), json.dumps(value).encode(), namespace=_NAMESPACE)


def _get(key: str) -> Any:
    value = _internal_kv_get(key.encode(), namespace=_NAMESPACE)
    return json.loads(value) if value else None
