"""Which replicas a caller looks at: all of a few, some of many.

Serve's router looks every replica up by name, at its start and whenever one is new: 64,000 questions to Ray's head for
1,000 callers of 64 replicas, and again after each restart.
"""

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    from ray.serve._private.common import DeploymentHandleSource
    from ray.serve._private.request_router.pow_2_router import PowerOfTwoChoicesRequestRouter

# As many as a reward client has requests on their way: with fewer it would wait for some of them.
MOST_REPLICAS = 16


class SomeReplicasRouter(PowerOfTwoChoicesRequestRouter):
    """Serve's own router over a choice of the replicas, another one for each caller.

    The gateway, which has everybody's requests, sees all of them.
    """

    def initialize_state(self, most: int = MOST_REPLICAS, **kwargs: Any) -> None:
        """Take the settings.

        Args:
            most: Replicas that one caller looks at.
            kwargs: None yet.
        """
        self._most = most
        self._caller = uuid.uuid4().hex

    def _update_running_replicas(self, running_replicas: Sequence[Any]) -> Any:
        if self._handle_source == DeploymentHandleSource.UNKNOWN:
            by_name = {replica.replica_id.unique_id: replica for replica in running_replicas}
            running_replicas = [by_name[name] for name in chosen(by_name, self._caller, self._most)]
        return super()._update_running_replicas(list(running_replicas))


def chosen(names: Iterable[str], caller: str, most: int) -> list[str]:
    """Return at most so many of the names, another choice for each caller.

    Where a name goes or comes, no other choice changes but for that one (rendezvous hashing).
    """
    return sorted(names, key=lambda name: hashlib.blake2b(f"{caller}\0{name}".encode(), digest_size=8).digest())[:most]
