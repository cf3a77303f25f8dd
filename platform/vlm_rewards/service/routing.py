"""Which replica a request goes to: that of the caller's last one, among all of a few or some of many.

A replica's cache knows the frames that it has met. Rollouts repeat their own frames and hardly each other's, so it is
enough that a caller stays where it is: a phone's stream then is encoded as seldom by eight replicas as by one, where
Serve's choice between two at random halves what the caches save.
"""

import hashlib
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    from ray.serve._private.common import DeploymentHandleSource
    from ray.serve._private.request_router.pow_2_router import PowerOfTwoChoicesRequestRouter

# As many as a reward client has requests on their way: with fewer it would wait for some of them.
MOST_REPLICAS = 16

# Questions about frames, which caches answer. What is asked about a replica may go to any.
_OF_FRAMES = frozenset(("score", "score_all", "embed"))

# Requests of other callers that one waits for before it leaves its cache, and how often it looks for an idle replica
# all the same: two callers would share one for ever.
_PATIENCE = 1
_LOOKS_ROUND_EVERY = 64

# Seconds without an answer after which a caller looks elsewhere: a replica that hangs takes requests all the same.
_HANGS_AFTER_S = 5.0


class StickyRouter(PowerOfTwoChoicesRequestRouter):
    """Serve's own router, which stays with a replica until its queue is longer than that of others.

    Serve looks every replica up by name, at its start and whenever one is new: 64,000 questions to Ray's head for 1,000
    callers of 64 replicas, and again after each restart. So each caller looks at a choice of them, another one for
    each. The gateway, which has everybody's requests, sees all.
    """

    def initialize_state(self, most: int = MOST_REPLICAS, **kwargs: Any) -> None:
        """Take the settings.

        Args:
            most: Replicas that one caller looks at.
            kwargs: None yet.
        """
        self._most = most
        self._caller = uuid.uuid4().hex
        self._home: Any = None
        self._in_flight: Counter[Any] = Counter()
        self._looked = 0
        self._waits_since = 0.0

    async def choose_replicas(self, candidate_replicas: list[Any], pending_request: Any = None) -> list[list[Any]]:
        """Return the replica of the last request about frames, and those of Serve's two that wait for clearly less.

        Serve takes the one with the shortest queue, and the second rank where the first is full or does not answer.

        Args:
            candidate_replicas: The replicas that there are.
            pending_request: The request.

        Returns:
            Ranks of replicas, the best one first.
        """
        ranks = await super().choose_replicas(candidate_replicas, pending_request)
        home = self._replicas.get(self._home)
        if home is None or not ranks or not _is_of_frames(pending_request):
            return ranks
        # Of this caller's requests and, as of its last one, of all others'; None where that is old: then it is asked.
        waiting = self._replica_queue_len_cache.get(self._home)
        if not waiting:
            return [[home], *ranks]
        self._looked += 1
        # Whoever sends several at a time has them answered at the same time.
        waits = not self._in_flight[self._home] and self._looked % _LOOKS_ROUND_EVERY
        most = waiting - (_PATIENCE if waits else 0)
        lengths = [(replica, self._replica_queue_len_cache.get(replica.replica_id)) for replica in ranks[0]]
        # A length that is not known is asked for beside the request, for the next one.
        return [[home, *(replica for replica, length in lengths if length is None or length < most)], *ranks]

    def on_send_request(self, replica_id: Any) -> None:
        """Count a request that is on its way."""
        super().on_send_request(replica_id)
        if not self._in_flight[replica_id]:
            self._waits_since = time.monotonic()
        self._in_flight[replica_id] += 1

    def on_request_routed(self, pending_request: Any, replica_id: Any, result: Any) -> None:
        """Stay with the replica that has taken a request about frames."""
        if _is_of_frames(pending_request):
            self._home = replica_id

    def on_request_completed(self, replica_id: Any, internal_request_id: str) -> None:
        """Count a request that was answered or given up, or whose replica is gone."""
        now = time.monotonic()
        if replica_id == self._home and now - self._waits_since > _HANGS_AFTER_S:
            self._home = None
        self._waits_since = now
        self._in_flight[replica_id] -= 1
        if self._in_flight[replica_id] <= 0:
            del self._in_flight[replica_id]

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


def _is_of_frames(pending_request: Any) -> bool:
    return pending_request is not None and pending_request.metadata.call_method in _OF_FRAMES
