"""Whole episodes in preallocated memory, and training batches out of them: n-step returns, relabelled in hindsight."""

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ray.rllib.core.columns import Columns
from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from vlm_rewards.environment.action_memory import PAST_ACTIONS
from vlm_rewards.errors import CheckpointError, ConfigError
from vlm_rewards.rllib.eye import EYE_MASK, EYE_TARGETS
from vlm_rewards.rllib.relabelling import n_step_returns, relabelled
from vlm_rewards.rllib.replay_settings import ReplaySettings, check_hindsight, slot_columns
from vlm_rewards.rllib.training_goals import ACHIEVED, EMBEDDING, TrainingGoals, check_tokens

Batch = dict[str, Any]


class EpisodeReplay:
    """Keeps the latest episodes, and draws steps: an episode uniformly, then a step of it.

    A slot holds one observation and what arriving there brought: the reward and, with hindsight, for which of all
    training goals it would have been given. All draws come from one generator whose state is saved with the content,
    so a training that was interrupted goes on as if it had not been.

    Attributes:
        settings: As given.
    """

    def __init__(
        self,
        settings: ReplaySettings,
        image_shape: Sequence[int],
        goals: TrainingGoals | None,
        seed: int = 0,
        remembered_actions: int = 0,
    ) -> None:
        """Allocate the memory, all of it.

        Args:
            settings: What it is made of.
            image_shape: (H, W, 3) of the observations.
            goals: The training goals, which hindsight and the eye need; with captions, embeddings are kept for the eye.
            seed: Seed of the draws.
            remembered_actions: How many past actions an observation holds; 0 for observations without.

        Raises:
            ConfigError: Hindsight without goals to relabel with.
        """
        check_hindsight(settings.hindsight, goals)
        self.settings = settings
        self._goals = goals
        self._columns: dict[str, npt.NDArray[Any]] = {
            name: np.full((settings.capacity, *shape), 0, dtype)
            for name, (shape, dtype) in slot_columns(settings, image_shape, goals, remembered_actions).items()
        }
        # A ring of episodes: as many as there are slots for the shortest.
        self._starts = np.zeros(settings.capacity, np.int64)
        self._lengths = np.zeros(settings.capacity, np.int64)
        self._first, self._count, self._next_slot = 0, 0, 0
        self._unfinished: dict[str, list[SingleAgentEpisode]] = {}
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        """Return the number of episodes to draw from."""
        return self._count

    @property
    def steps(self) -> int:
        """Steps to draw from."""
        return int(self._lengths[self._ring()].sum())

    def add(self, pieces: Sequence[SingleAgentEpisode]) -> None:
        """Take in what env runners sampled; an episode counts once it is whole.

        Args:
            pieces: Parts of episodes, in the order of time for each.

        Raises:
            ConfigError: An episode longer than the replay, or steps without what hindsight or the eye needs.
        """
        for piece in pieces:
            parts = self._unfinished.setdefault(piece.id_, [])
            parts.append(piece)
            if piece.is_done:
                self._store(self._unfinished.pop(piece.id_))

    def forget_unfinished(self, but: Collection[str] = ()) -> None:
        """Drop the beginnings of episodes, whose ends will not come.

        Args:
            but: Ids of episodes that go on.
        """
        self._unfinished = {name: parts for name, parts in self._unfinished.items() if name in but}

    def sample(self, size: int) -> Batch:
        """Draw a training batch.

        Args:
            size: Number of steps, B.

        Returns:
            `obs` and `new_obs`, each with `image` uint8 (B, H, W, 3) and `goal` int64 (B, GOAL_LENGTH), and
            `past_actions` int64 (B, K) where the agent is shown them; `actions` int64
            (B,); `rewards` float32 (B,), the discounted sum of up to n rewards; `discounts` float32 (B,), what the
            value of `new_obs` is multiplied by: gamma to the number of steps summed, or 0 where the episode ended. With
            captions also `eye_targets` float32 (B, K), the similarities of `obs` to its goal's captions, and `eye_mask`
            bool (B,), False where no embedding is known: at the start of an episode.
        """
        assert self._count, "nothing to draw from yet"
        rng = self._rng
        row = (self._first + rng.integers(self._count, size=size)) % len(self._starts)
        start, length = self._starts[row], self._lengths[row]
        step = (rng.random(size) * length).astype(np.int64)
        slot = start + step
        goal, tokens = self._drawn_goals(slot)
        returns, discounts, taken = self._returns(slot, length - step, goal)
        batch: Batch = {
            "obs": self._observations(slot, tokens),
            "new_obs": self._observations(slot + taken, tokens),
            "actions": self._columns["action"][slot].astype(np.int64),
            "rewards": returns,
            "discounts": discounts,
        }
        if self._goals is not None and self._goals.captions is not None:
            embeddings = self._columns["embedding"][slot]
            batch[EYE_TARGETS] = np.einsum("bd,bkd->bk", embeddings, self._goals.captions[goal])
            batch[EYE_MASK] = step > 0
        return batch

    def save(self, folder: Path) -> None:
        """Write the whole episodes and the state of the draws into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        slots = self._filled()
        for name, column in self._columns.items():
            np.save(folder / f"{name}.npy", column[:slots])
        ring = self._ring()
        state = np.array([self._next_slot, slots], np.int64)
        np.savez(folder / "episodes.npz", starts=self._starts[ring], lengths=self._lengths[ring], state=state)
        (folder / "generator.json").write_text(json.dumps(self._rng.bit_generator.state))

    def load(self, folder: Path) -> None:
        """Read what `save` wrote into a replay of the same settings; nothing unfinished is left.

        Raises:
            CheckpointError: No saved replay, or one of other settings.
        """
        try:
            with np.load(folder / "episodes.npz") as saved:
                starts, lengths, (next_slot, slots) = saved["starts"], saved["lengths"], saved["state"].tolist()
            if slots > self.settings.capacity or len(starts) > len(self._starts):
                raise ValueError(f"{slots} slots, more than replay_capacity {self.settings.capacity}")
            for name, column in self._columns.items():
                column[:slots] = np.load(folder / f"{name}.npy", mmap_mode="r")
            self._rng.bit_generator.state = json.loads((folder / "generator.json").read_text())
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"the replay in {folder} cannot be read ({' '.join(str(error).split())[:200]}); go on from another "
                "checkpoint, with the settings it was written with"
            ) from error
        self._first, self._count, self._next_slot = 0, len(starts), int(next_slot)
        self._starts[: len(starts)], self._lengths[: len(starts)] = starts, lengths
        self._unfinished.clear()

    def _observations(self, slot: npt.NDArray[np.int64], tokens: npt.NDArray[np.int64]) -> Batch:
        """Return what the agent was shown in (B,) slots, with the tokens of these goals."""
        shown: Batch = {"image": self._columns["image"][slot], "goal": tokens}
        if PAST_ACTIONS in self._columns:
            shown[PAST_ACTIONS] = self._columns[PAST_ACTIONS][slot].astype(np.int64)
        return shown

    def _store(self, parts: list[SingleAgentEpisode]) -> None:
        steps = sum(len(part) for part in parts)
        capacity = self.settings.capacity
        if steps + 1 > capacity:
            raise ConfigError(f"an episode of {steps} steps does not fit into replay_capacity {capacity}; raise it")
        if not steps:
            return
        begin = self._room_for(steps + 1)
        slots = slice(begin, begin + steps + 1)
        observations = [part.get_observations() for part in parts]
        seen = {
            key: np.concatenate([observations[0][key][:1], *(each[key][1:] for each in observations)])
            for key in observations[0]
        }
        infos = [info for part in parts for info in part.get_infos()[1:]]
        columns = self._columns
        columns["image"][slots] = seen["image"]
        if PAST_ACTIONS in columns:
            columns[PAST_ACTIONS][slots] = seen[PAST_ACTIONS]
        columns["action"][begin : begin + steps] = np.concatenate([part.get_actions() for part in parts])
        if "log_prob" in columns:
            probable = [part.get_extra_model_outputs(Columns.ACTION_LOGP) for part in parts]
            columns["log_prob"][begin : begin + steps] = np.concatenate(probable)
        columns["reward"][begin] = 0
        columns["reward"][begin + 1 : begin + steps + 1] = np.concatenate([part.get_rewards() for part in parts])
        columns["end"][slots] = False
        columns["end"][begin + steps] = parts[-1].is_terminated
        if self._goals is None:
            columns["tokens"][slots] = seen["goal"]
        else:
            columns["goal"][slots] = check_tokens(self._goals, infos[-1]["goal_id"], seen["goal"][0])
        if "achieved" in columns:
            self._store_achieved(slots, _of_infos(infos, ACHIEVED))
        if "embedding" in columns:
            columns["embedding"][begin] = 0
            columns["embedding"][begin + 1 : begin + steps + 1] = _of_infos(infos, EMBEDDING)
        self._starts[(self._first + self._count) % len(self._starts)] = begin
        self._lengths[(self._first + self._count) % len(self._starts)] = steps
        self._count += 1

    def _store_achieved(self, slots: slice, achieved: npt.NDArray[np.bool_]) -> None:
        """Keep which goals each state achieves, and which are achieved later, without and with its own goal's end."""
        columns, begin = self._columns, slots.start
        columns["achieved"][begin] = False
        columns["achieved"][begin + 1 : slots.stop] = achieved
        columns["later"][slots.stop - 1] = False
        columns["later"][begin : slots.stop - 1] = np.logical_or.accumulate(achieved[::-1], axis=0)[::-1]
        # An end that is not the goal's own reward is one for every goal: the environment's.
        own = columns["goal"][begin]
        columns["end"][slots.stop - 1] &= not achieved[-1, own]

    def _room_for(self, size: int) -> int:
        """Return where `size` slots begin, free of episodes: the oldest make room."""
        capacity = self.settings.capacity
        begin = self._next_slot
        if begin + size > capacity:
            # What lies behind is older than all before it.
            self._drop_oldest_while(lambda start, stop: start >= begin)
            begin = 0
        self._drop_oldest_while(lambda start, stop: start < begin + size and stop > begin)
        self._next_slot = begin + size
        return begin

    def _drop_oldest_while(self, condition: Callable[[int, int], bool]) -> None:
        while self._count:
            start = int(self._starts[self._first])
            if not condition(start, start + int(self._lengths[self._first]) + 1):
                return
            self._first = (self._first + 1) % len(self._starts)
            self._count -= 1

    def _returns(
        self, slot: npt.NDArray[np.int64], left: npt.NDArray[np.int64], goal: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Return `n_step_returns` of steps at (B,) slots, with (B,) steps to the ends of their episodes."""
        n = self.settings.n_step
        count = np.minimum(left, n)
        # Beyond an episode's end nothing counts, whatever is read there.
        arrivals = slot[:, None] + np.minimum(np.arange(1, n + 1), count[:, None])
        return n_step_returns(*self._arrivals(arrivals, goal), count, self.settings.gamma)

    def _drawn_goals(self, slot: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the goals that steps at (B,) slots get, (B,), in hindsight if wanted, and their tokens, (B, L)."""
        goal = self._columns["goal"][slot].astype(np.int64)
        if self.settings.hindsight is not None:
            assert self._goals is not None, "checked at the start"
            hindsight = self.settings.hindsight
            alike = self._goals.alike if hindsight.alike else None
            goal = relabelled(self._rng, hindsight, goal, self._columns["later"][slot], alike)
        return goal, self._columns["tokens"][slot] if self._goals is None else self._goals.tokens[goal]

    def _arrivals(
        self, slot: npt.NDArray[np.int64], goal: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Return rewards and ends, (B, n) each, of arriving at (B, n) slots with goals (B,)."""
        ends: npt.NDArray[np.bool_] = self._columns["end"][slot]
        if "achieved" not in self._columns:
            return self._columns["reward"][slot], ends
        achieved: npt.NDArray[np.bool_] = self._columns["achieved"][slot, goal[:, None]]
        return achieved.astype(np.float32), ends | achieved

    def _ring(self) -> npt.NDArray[np.int64]:
        return (self._first + np.arange(self._count)) % len(self._starts)

    def _filled(self) -> int:
        """Return how many slots from the first on hold anything."""
        ring = self._ring()
        return int((self._starts[ring] + self._lengths[ring] + 1).max()) if self._count else 0


def _of_infos(infos: Sequence[dict[str, Any]], key: str) -> npt.NDArray[Any]:
    """Return what the connector wrote into each step's info, stacked."""
    try:
        return np.stack([info[key] for info in infos])
    except KeyError as error:
        raise ConfigError(
            f"a step came without its {key!r}: the env-to-module connector must be told of the training goals; "
            "see rllib_configs.common"
        ) from error
