"""Open App: a Gymnasium environment whose ground truth is AndroidEnv's own."""

import operator
from collections.abc import Mapping
from typing import Any, SupportsIndex

import grpc
import gymnasium
import numpy as np
from android_env.components import errors as android_errors
from android_env.proto import adb_pb2, task_pb2
from google.protobuf import text_format
from gymnasium import spaces

from envs.android.actions import MACRO_ACTIONS, MacroAction
from envs.android.backend import AndroidBackend
from envs.android.device.phone import Phone
from envs.android.embedded import EmbeddedBackend
from envs.android.emulator import EmulatorBackend
from envs.android.emulator_options import EmulatorOptions
from envs.android.open_app_config import CONTENT_SEEDS, TASK_PATH, OpenAppConfig
from vlm_rewards.environment.goal_tokens import GOAL_LENGTH, VOCAB_SIZE, tokenize
from vlm_rewards.errors import ConfigError, NotCopyableError, VLMRewardsError
from vlm_rewards.goals import Goal, TaskSet
from vlm_rewards.strict_config import near_matches

_RENDER_SIZE = (400, 250)
_DEVICE_ERRORS = (android_errors.AndroidEnvError, grpc.RpcError)


class OpenAppEnv(gymnasium.Env[dict[str, np.ndarray], np.int64]):
    """A phone on which the agent is asked to open an app.

    Observation: `image` uint8 (H, W, 3), the screen; `goal` int64 (12,), hashed words of the instruction.
    Action: one of 60: taps on the cells of a 9 x 6 grid, four swipes, home, back (`envs.android.actions`).
    Reward: the ground truth, 1 at the step in which the goal's app first comes up, else 0. AndroidEnv reads that from
    Android's log ("Displayed PACKAGE/ACTIVITY"), by the task file tasks/open_app.textproto.
    Episode: starts on the home screen with no app running; goal and screen content are drawn anew. It terminates on
    success where `terminate_on_success` holds, and is truncated after `max_episode_steps` actions.
    Info: `is_success` (the app has come up in this episode), `goal_achieved` (it is in front now), `goal_id`; where the
    device failed, `device_error`, and the episode is truncated.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012 (as Gymnasium declares it)

    def __init__(
        self,
        task_set: str | TaskSet = "open_common_apps",
        split: str = "train",
        backend: str = "embedded",
        layout: str = "fixed",
        observation_size: tuple[int, int] = (96, 60),
        reward_size: tuple[int, int] = (128, 80),
        max_episode_steps: int = 20,
        terminate_on_success: bool = True,
        goal_id: str | None = None,
        content: str = "train",
        emulator: EmulatorOptions | Mapping[str, Any] | None = None,
        render_mode: str | None = None,
        apps: str | None = None,
    ):
        """Start a phone.

        Args:
            task_set: Name of a packaged task set, path of a task set YAML, or a task set.
            split: `train` or `held_out`: the goals that episodes draw from.
            backend: `embedded`, a simulated phone in this process, or `emulator`, a real emulator.
            layout: `fixed`, as on one's own phone, or `shuffled`: icons are placed anew in each episode. Embedded only.
            observation_size: (height, width) of the agent's frames in pixels.
            reward_size: (height, width) of `reward_frame()` in pixels.
            max_episode_steps: Actions after which an episode is truncated.
            terminate_on_success: Whether success ends the episode. Training on another reward passes False, so that the
                ground truth cannot reach the learner through the episode's length.
            goal_id: The goal of all episodes; None draws one uniformly from the split each time.
            content: `train` or `eval`: ranges of screen content that never overlap. Embedded only.
            emulator: Where the emulator is; needed by `backend="emulator"`, see `EmulatorOptions`.
            render_mode: `rgb_array` or None.
            apps: What is installed: `common` (24 apps), `diverse` (74), or None for the smallest of them that has every
                goal's app. Embedded only.

        Raises:
            ConfigError: An argument cannot be used as given.
            VLMRewardsError: The emulator does not start.
        """
        self._config = OpenAppConfig.build(
            task_set=task_set,
            apps=apps,
            split=split,
            backend=backend,
            layout=layout,
            observation_size=observation_size,
            reward_size=reward_size,
            max_episode_steps=max_episode_steps,
            terminate_on_success=terminate_on_success,
            goal_id=goal_id,
            content=content,
            emulator=emulator,
            render_mode=render_mode,
        )
        self.render_mode = render_mode
        height, width = self._config.observation_size
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (height, width, 3), np.uint8),
                "goal": spaces.Box(0, VOCAB_SIZE - 1, (GOAL_LENGTH,), np.int64),
            }
        )
        self.action_space = spaces.Discrete(len(MACRO_ACTIONS))
        self._tokens = {goal.id: tokenize(goal.instruction) for goal in self._config.task_set.all_goals}
        self._goal: Goal | None = None
        self._episode_is_over = True
        self._backend: AndroidBackend | None = _start(self._config)

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start an episode.

        Args:
            seed: Fixes this episode and all that follow it without a seed of their own.
            options: `{"goal_id": ...}` asks for a goal, of either split, in this episode alone.

        Returns:
            Observation and info.

        Raises:
            ConfigError: An option or goal is unknown.
            VLMRewardsError: The device cannot be reset.
        """
        super().reset(seed=seed)
        backend = self._open_backend()
        goal = self._draw_goal(options or {})
        content_seed = int(self.np_random.integers(*CONTENT_SEEDS[self._config.content]))
        self._goal, self._package = goal, self._config.packages[goal.id]
        self._steps, self._is_success, self._goal_achieved = 0, False, False
        try:
            backend.begin_episode(content_seed)
            # The task file stops the apps that it names; the goal's own must start cold whatever the file says.
            stop = adb_pb2.AdbRequest(force_stop=adb_pb2.AdbRequest.ForceStop(package_name=self._package))
            backend.android.execute_adb_call(stop)
            backend.freeze_display(False)
            timestep = backend.android.reset()
        except _DEVICE_ERRORS as error:
            backend.report_failure()
            raise VLMRewardsError(
                f"the Android device cannot be reset ({' '.join(str(error.__cause__ or error).split())}); "
                "check that the emulator runs and that `adb devices` lists it"
            ) from error
        self._image = backend.observation(timestep.observation["pixels"])
        self._episode_is_over = False
        return self._observation(), self._info()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Refuse to be copied.

        Raises:
            NotCopyableError: Always.
        """
        raise NotCopyableError(
            "a phone can be neither copied nor pickled: make another with gymnasium.make and the same seed, and hand "
            "functions that make environments to other processes"
        )

    def step(self, action: SupportsIndex) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Take one action and wait until the screen has settled.

        Args:
            action: 0 to 59, as any whole number: Python's, NumPy's or torch's.

        Returns:
            Observation, reward (1.0 or 0.0), terminated, truncated, info.

        Raises:
            gymnasium.error.InvalidAction: not an integer from 0 to 59.
            gymnasium.error.ResetNeeded: no episode is under way.
        """
        try:
            index = operator.index(action)
        except TypeError:  # a float, an array of several
            index = -1
        if not 0 <= index < len(MACRO_ACTIONS):
            raise gymnasium.error.InvalidAction(
                f"action {action!r} is not an integer from 0 to {len(MACRO_ACTIONS) - 1}; see envs.android.actions"
            )
        backend = self._open_backend()
        if self._episode_is_over:
            raise gymnasium.error.ResetNeeded("no episode is under way; call reset()")
        device_error = None
        try:
            reached = self._package in self._perform(backend, MACRO_ACTIONS[index])
            self._goal_achieved = (reached or self._is_success) and self._is_in_front(backend)
        except _DEVICE_ERRORS as error:
            reached, self._goal_achieved = False, False
            device_error = " ".join(str(error).split()) or type(error).__name__
            backend.report_failure()
        reward = float(reached and not self._is_success)
        self._is_success |= reached
        self._steps += 1
        terminated = self._is_success and self._config.terminate_on_success
        truncated = not terminated and (device_error is not None or self._steps >= self._config.max_episode_steps)
        self._episode_is_over = terminated or truncated
        info = self._info()
        if device_error is not None:
            info["device_error"] = device_error
        return self._observation(), reward, terminated, truncated, info

    @property
    def goal(self) -> Goal:
        """Goal of the current episode.

        Raises:
            AttributeError: There has been none yet (not ResetNeeded: `hasattr` has to work before the first reset).
        """
        if self._goal is None:
            raise AttributeError("there is no goal before the first reset()")
        return self._goal

    @property
    def goal_id(self) -> str:
        """Id of the current episode's goal; see `goal`."""
        return self.goal.id

    @property
    def task_set(self) -> TaskSet:
        """The goals of both splits, as the reward model needs them."""
        return self._config.task_set

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the actions, in order, such as `tap_8_2` (row 8, column 2), `swipe_up`, `home`."""
        return tuple(action.name for action in MACRO_ACTIONS)

    @property
    def phone(self) -> Phone:
        """The simulated phone, for tests and tools that look behind the screen.

        Raises:
            AttributeError: The device is a real emulator.
        """
        backend: Any = self._open_backend()
        phone: Phone = backend.device
        return phone

    def reward_frame(self) -> np.ndarray:
        """Draw the current state for the reward model.

        Returns:
            uint8 (height, width, 3) at `reward_size`. On the embedded phone this is a second rendering of the state; on
            an emulator it is the last screenshot, resized.
        """
        return self._view(self._config.reward_size)

    def render(self) -> np.ndarray | None:  # type: ignore[override]  # Gymnasium leaves the type open
        """Return the screen at a size fit for people, uint8 (400, 250, 3), where `render_mode` is `rgb_array`."""
        return self._view(_RENDER_SIZE) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Stop the phone, its threads and its processes. May be called again."""
        backend, self._backend = getattr(self, "_backend", None), None
        if backend is not None:
            backend.close()

    def _view(self, size: tuple[int, int]) -> np.ndarray:
        if self._goal is None:
            raise gymnasium.error.ResetNeeded("there is no frame before the first reset()")
        return self._open_backend().view(*size)

    def _open_backend(self) -> AndroidBackend:
        if self._backend is None:
            raise gymnasium.error.ClosedEnvironmentError("this environment is closed; make a new one")
        return self._backend

    def _draw_goal(self, options: Mapping[str, Any]) -> Goal:
        for name in options:
            if name != "goal_id":
                raise ConfigError(f"unknown reset option {name!r}; {near_matches(name, ['goal_id'])}")
        # Drawn in any case: a goal asked for does not change the content of this episode or the goals of later ones.
        drawn = self._config.goals[int(self.np_random.integers(len(self._config.goals)))]
        return self._config.task_set.goal(options["goal_id"]) if "goal_id" in options else drawn

    def _perform(self, backend: AndroidBackend, action: MacroAction) -> list[str]:
        """Run a macro action and return the packages that came up in it, in order."""
        displayed: list[str] = []
        look = action.steps[-1]
        for step in action.steps:
            if step.press is not None:
                response = backend.android.execute_adb_call(step.press)
                if response.status != adb_pb2.AdbResponse.Status.OK:
                    raise android_errors.AdbControllerError(f"adb failed: {response.error_message}")
            else:
                backend.freeze_display(step is not look)
                timestep = backend.android.step(step.action)
                displayed.extend(backend.android.task_extras())
                if timestep.last():
                    raise android_errors.SimulatorError("AndroidEnv ended the episode: the device does not answer")
            backend.wait(backend.settle_s if step.wait_s is None else step.wait_s)
        self._image = backend.observation(timestep.observation["pixels"])
        return displayed

    def _is_in_front(self, backend: AndroidBackend) -> bool:
        """Ask Android which activity is on top: a hot start and a BACK within the app leave no line in the log."""
        request = adb_pb2.AdbRequest(get_current_activity=adb_pb2.AdbRequest.GetCurrentActivity())
        response = backend.android.execute_adb_call(request)
        result: bool = response.get_current_activity.full_activity.partition("/")[0] == self._package
        return result

    def _observation(self) -> dict[str, np.ndarray]:
        return {"image": self._image, "goal": self._tokens[self.goal_id].copy()}

    def _info(self) -> dict[str, Any]:
        return {"is_success": self._is_success, "goal_achieved": self._goal_achieved, "goal_id": self.goal_id}


def _start(config: OpenAppConfig) -> AndroidBackend:
    if config.emulator is not None:
        return EmulatorBackend(config.emulator, TASK_PATH, config.observation_size)
    task = text_format.Parse(TASK_PATH.read_text(encoding="utf-8"), task_pb2.Task())
    activities = {app.package: app.activity for app in config.apps.apps}
    phone = Phone(seed=0, layout=config.layout, apps=config.apps)
    return EmbeddedBackend(phone, activities, task, config.observation_size)
