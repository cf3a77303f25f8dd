"""A change of a cluster's applications that ends with all healthy, or with what was there before."""

import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from ray import serve

from serve_deployments.last_good import code_package, failure, keep_code, last_good, note_failure, remember
from serve_deployments.serve_file import ServeApp, ServeFile
from vlm_rewards.errors import VLMRewardsError
from vlm_rewards.service import HandleTransport
from vlm_rewards.service.deploying import undeploy
from vlm_rewards.service.live import failure_of, live_rewards, refusal_of

_POLL_S = 0.2


@dataclass(frozen=True)
class Outcome:
    """What became of one application.

    Attributes:
        name: The application.
        healthy: Whether it is what was asked for.
        failure: Why not, in one line.
        serves_before: Whether it still, or again, serves what it did before.
    """

    name: str
    healthy: bool
    failure: str = ""
    serves_before: bool = False


def roll_out(
    file: ServeFile, timeout_s: float = 180.0, tell: Callable[[str], None] = lambda line: None
) -> list[Outcome]:
    """Deploy a file's applications and wait until each is healthy or has failed. Ray must run.

    One that fails is put back to what it last served, or taken away if it never served: its replicas would be tried
    again for ever. The others stand. Applications that the file does not name are left alone.

    Args:
        file: As parsed, so that all of it can be built.
        timeout_s: Longest wait in seconds.
        tell: Gets one line for each that becomes healthy or fails.

    Returns:
        One outcome an application, in the file's order.
    """
    serve.start(proxy_location=file.proxy_location, http_options=file.http_options.model_dump(exclude_none=True))
    keep_code(app.name for app in file.applications)
    names = [app.name for app in file.applications]
    said = {
        name: {failure_of(app), refusal_of(app), failure(name)} for name, app in serve.status().applications.items()
    }
    serve.run_many([app.target(code_package()) for app in file.applications], wait_for_applications_running=False)
    failures = _wait(names, said, timeout_s, tell)
    outcomes = []
    for app in file.applications:
        if app.name not in failures:
            remember(app)
            outcomes.append(Outcome(app.name, True))
            continue
        note_failure(app.name, failures[app.name])
        outcomes.append(Outcome(app.name, False, failures[app.name], _put_back(app, app.name in said)))
    return outcomes


def listing() -> list[tuple[str, str, str]]:
    """Return name, state, and the last change's failure of every application: a reward that serves says so."""
    rewards = live_rewards()
    rows = []
    for name, app in sorted(serve.status().applications.items()):
        state = "serving" if name in rewards and rewards[name].serving else app.status.value
        rows.append((name, state, failure(name) or failure_of(app) or (_refused(name) if state == "serving" else "")))
    return rows


def _refused(name: str) -> str:
    """Return why replicas refused the last `user_config`, with which Serve calls the application healthy."""
    try:
        refused = HandleTransport(name).replica_info(timeout_s=5.0).refused
    except VLMRewardsError:
        return ""
    return f"user_config: {refused}" if refused else ""


def _wait(
    names: list[str], said: Mapping[str, AbstractSet[str]], timeout_s: float, tell: Callable[[str], None]
) -> dict[str, str]:
    """Return the failures of those that do not become healthy, by name; `said` is what was wrong with them before."""
    deadline = time.monotonic() + timeout_s
    waiting = list(names)
    deploying = set()
    failures: dict[str, str] = {}
    while waiting:
        status = serve.status().applications
        for name in list(waiting):
            app = status.get(name)
            if app is None:
                continue
            # What was wrong before is not this change's fault until Serve has given this change up: a replica of the
            # one before may have failed once more.
            if app.status == "DEPLOYING":
                deploying.add(name)
                wrong = refusal_of(app)
                is_news = wrong not in said.get(name, ())
            else:
                wrong = failure_of(app)
                is_news = name in deploying or wrong not in said.get(name, ())
            if app.status == "RUNNING" or (wrong and is_news):
                waiting.remove(name)
                if wrong:
                    failures[name] = wrong
                tell(f"{name}: {wrong or 'healthy'}")
        if time.monotonic() > deadline:
            for name in waiting:
                messages = [d.message for d in status[name].deployments.values()] if name in status else []
                last = next((message.strip().splitlines()[-1] for message in messages if message.strip()), "")
                failures[name] = f"not healthy in {timeout_s:g} s{f' ({last})' if last else ''}"
                tell(f"{name}: {failures[name]}")
            return failures
        time.sleep(_POLL_S)
    return failures


def _put_back(app: ServeApp, was_there: bool) -> bool:
    """Return an application to what it last served; tell whether it serves."""
    before = last_good(app.name)
    if before is not None:
        try:
            serve.run_many([before.target(code_package())], wait_for_applications_running=False)
        except VLMRewardsError:
            before = None  # a file that it was made of is gone: what runs of it goes on
    elif not was_there:
        undeploy(app.name)
        return False
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        reward = live_rewards().get(app.name)
        status = serve.status().applications.get(app.name)
        if (reward is not None and reward.serving) or (status is not None and status.status == "RUNNING"):
            return True
        time.sleep(_POLL_S)
    return False
