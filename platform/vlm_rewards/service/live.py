"""Which rewards answer on this Ray cluster, also where their last change has failed.

Serve forgets an application's deployments when a change of it cannot be built, a misspelt key say, and lists none;
their replicas go on. What matters to callers is these.
"""

import re
from dataclasses import dataclass
from typing import Any

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    import ray
    from ray import serve
    from ray.serve._private.common import ReplicaState
    from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview

_OWN = re.compile(r"^vlm_rewards\.errors\.\w+: ")

# A replica that takes new settings answers right after: requests wait for it that long.
_SERVING = (ReplicaState.RUNNING, ReplicaState.UPDATING)

#: Name of the deployment of every reward application.
REWARD_DEPLOYMENT = "RewardDeployment"


@dataclass(frozen=True)
class LiveReward:
    """A reward application.

    Attributes:
        serving: Whether a replica of it runs, or is taking new settings.
        status: In Serve's word, such as `RUNNING`.
        failure: One line: why its last change failed; empty where it did not.
    """

    serving: bool
    status: str
    failure: str = ""


def live_rewards() -> dict[str, LiveReward]:
    """Return the reward applications by name: those with a replica, and those whose deployment has failed."""
    applications = serve.status().applications
    # Asked of the controller only where its word on an application leaves something open.
    hidden = _with_replicas() if any(_forgotten(each) for each in applications.values()) else set()
    found = {}
    for name, application in applications.items():
        reward = application.deployments.get(REWARD_DEPLOYMENT)
        if reward is None and name not in hidden and not _never_built(application):
            continue
        serving = name in hidden if reward is None else any(reward.replica_states.get(state) for state in _SERVING)
        found[name] = LiveReward(serving, application.status.value, failure_of(application))
    return found


def failure_of(application: ApplicationStatusOverview) -> str:
    """Return one line that says why an application's last change failed; empty where it did not."""
    if application.status not in (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY):
        return ""
    messages = [*(deployment.message for deployment in application.deployments.values()), application.message]
    lines = [message.strip().splitlines()[-1] for message in messages if message.strip()]
    return _OWN.sub("", lines[0]) if lines else "no reason given"


def refusal_of(application: ApplicationStatusOverview) -> str:
    """Return the line with which a new replica refused to start; empty where none has.

    Serve tries the same constructor again and again before it calls the application failed; ours says the same each
    time.
    """
    for deployment in application.deployments.values():
        for line in deployment.message.splitlines():
            if _OWN.match(line):
                return _OWN.sub("", line).strip()
    return ""


def serves(app_name: str) -> bool:
    """Tell whether a replica of an application runs, whatever became of its last change."""
    return app_name in _with_replicas()


def _forgotten(application: ApplicationStatusOverview) -> bool:
    return not application.deployments and application.status != ApplicationStatus.DELETING


def _never_built(application: ApplicationStatusOverview) -> bool:
    return not application.deployments and application.status == ApplicationStatus.DEPLOY_FAILED


def _with_replicas() -> set[str]:
    """Return the names of the applications that have a running replica of a reward."""
    client: Any = serve.context._get_global_client()
    running = ray.get(client._controller._all_running_replicas.remote())
    return {each.app_name for each, replicas in running.items() if each.name == REWARD_DEPLOYMENT and replicas}
