"""What `experiments.pressure` is told: the schema of `experiments/presets/pressure/*.yaml`."""

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from experiments.shared.tracking_config import TrackingConfig
from vlm_rewards.encoders import Precision
from vlm_rewards.goals import NegativesSpec, PromptTemplate
from vlm_rewards.heads import HEADS, check_temperature
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.strict_config import StrictConfig, near_matches

BOTH_NEGATIVES = (NegativesSpec(kind="goals"), NegativesSpec(kind="goals_and_states"))
PAPER = "paper"
"""Name of the paper's own head in tables; it calibrates, and the others are compared with it."""
AS_SELDOM = "as seldom as "
"""Begins the names of controls: the paper's head with beta raised until it pays as seldom as another head."""


def is_control(head: str) -> bool:
    """Return whether a head of this name is the control of another."""
    return head.startswith(AS_SELDOM)


class PressureTracking(TrackingConfig):
    """Where the results of the benchmark go."""

    experiment: str = "pressure"


class TaskSpec(StrictConfig):
    """One task that is searched.

    Attributes:
        environment: Gymnasium id.
        options: Arguments of its constructor; ground truth ends no episode.
        steps: Actions an episode.
        tries: Random episodes recorded a start; None takes the benchmark's.
        template: The paper's prompt "A" to "D", or a sentence with [TASK].
        further_templates: What `unanimous` heads ask besides, where they do not say so themselves.
        precision: Asked of the paper's head on the pilot episodes, by which tau and beta are chosen.
        taus: Temperatures tried.
        beta: A threshold that is not calibrated, as a shipped preset has it; then `taus` names its one temperature.
    """

    environment: str
    options: dict[str, Any] = Field(default_factory=dict)
    steps: int = Field(ge=2)
    tries: int | None = Field(default=None, ge=1)
    template: str
    further_templates: tuple[str, ...] = ()
    precision: float = Field(default=0.9, gt=0, le=1)
    taus: tuple[float, ...] = Field(default=(0.01, 0.02, 0.05), min_length=1)
    beta: float | None = Field(default=None, ge=0, le=1)

    @field_validator("template")
    @classmethod
    def _template_is_usable(cls, template: str) -> str:
        PromptTemplate.named(template)
        return template

    @field_validator("taus")
    @classmethod
    def _taus_are_usable(cls, taus: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(check_temperature(tau) for tau in taus)

    @model_validator(mode="after")
    def _a_threshold_has_its_temperature(self) -> "TaskSpec":
        if self.beta is not None and len(self.taus) != 1:
            raise ValueError(
                f"taus: beta {self.beta} belongs to one temperature, not to {len(self.taus)}; name that one"
            )
        return self


class PilotSpec(StrictConfig):
    """Labelled episodes that choose tau and beta, and nothing else; no search sees them.

    Attributes:
        seed: Seed of the first start; the searches' starts must not be among these.
        starts: Starts, goals in turn.
        random: Random episodes a start.
        scripted: Episodes a start by the domain's script, which knows the truth and errs now and then.
        after_success: States that count after the goal first holds: a reward would have ended the episode.
    """

    seed: int = Field(default=1_000_000, ge=0)
    starts: int = Field(ge=2)
    random: int = Field(default=3, ge=1)
    scripted: int = Field(default=2, ge=1)
    after_success: int = Field(default=3, ge=0)


class CemSpec(StrictConfig):
    """A search by the cross-entropy method: one distribution over actions a step, the same start again and again.

    Attributes:
        starts: How many of the benchmark's starts are searched, the first ones.
        models: Models whose rewards are searched.
        heads: Names of the heads that are searched.
        negatives: Kinds of negative sets that are searched; None takes all.
        iterations: Times that the distribution is moved.
        population: Episodes an iteration.
        elite: Share of them that the distribution moves to.
        smoothing: How far it moves, in (0, 1].
    """

    starts: int = Field(ge=2)
    models: tuple[str, ...] = Field(min_length=1)
    heads: tuple[str, ...] = (PAPER,)
    negatives: tuple[str, ...] | None = None
    iterations: int = Field(default=4, ge=1)
    population: int = Field(default=32, ge=4)
    elite: float = Field(default=0.15, gt=0, le=0.5)
    smoothing: float = Field(default=0.7, gt=0, le=1)


class PressureConfig(StrictConfig):
    """One benchmark.

    Attributes:
        name: Name of the run, in MLflow and in the output folder.
        seed: Seed of the first start of the searches; every other draw depends on it.
        tasks: What can be searched, by name.
        only: Those that are; None takes all.
        models: Packaged names, folders or hub ids; all read frames of one size.
        negatives: The negative sets, side by side.
        heads: Reward forms by name, as `reward.head`; one is called `paper`. A `unanimous` one that names no templates
            takes its task's, an `ensemble` that names no models all others of `models`. Each but `paper` has its
            control for strictness beside it, `as seldom as NAME`.
        precision: The towers' arithmetic.
        starts: Starts a task, goals in turn.
        tries: Random episodes recorded a start, where a task does not say.
        levels: n of each best-of-n, ascending from 1; a task has those that its tries allow.
        gamma: Discount of the return that searches prefer, in (0, 1].
        perturbed: Scenes a start that are searched for the one in which the reward errs soonest: the same goal, all
            else drawn anew, and one random episode in each; None leaves that out.
        pilot: What chooses tau and beta.
        cem: The scripted searcher; None leaves it out.
        agents: Trained agents that are judged, as TASK=FOLDER of a run of `experiments.train`; the levels are its
            checkpoints.
        agent_episodes: Episodes a start of each of these.
        films: Episodes in the film of the worst false positives of each task, by the largest model; 0 makes none.
        resamples: Resamples of the bootstrap over starts.
        threads: Threads of the image towers.
        tracking: Where results go.
    """

    name: str = Field(min_length=1, pattern=r"^[\w.-]+$")
    seed: int = Field(default=0, ge=0)
    tasks: dict[str, TaskSpec] = Field(min_length=1)
    only: tuple[str, ...] | None = None
    models: tuple[str, ...] = Field(min_length=1)
    negatives: tuple[NegativesSpec, ...] = Field(default=BOTH_NEGATIVES, min_length=1)
    heads: dict[str, dict[str, Any]] = Field(default={PAPER: {}}, min_length=1)
    precision: Precision = "fp32"
    starts: int = Field(ge=2)
    tries: int = Field(ge=1)
    levels: tuple[int, ...] = Field(min_length=1)
    gamma: float = Field(default=0.97, gt=0, le=1)
    perturbed: int | None = Field(default=None, ge=1)
    pilot: PilotSpec
    cem: CemSpec | None = None
    agents: tuple[str, ...] = ()
    agent_episodes: int = Field(default=4, ge=1)
    films: int = Field(default=3, ge=0, le=6)
    resamples: int = Field(default=1000, ge=10)
    threads: int = Field(default=1, ge=1)
    tracking: PressureTracking = PressureTracking()

    @model_validator(mode="after")
    def _fits_together(self) -> "PressureConfig":
        _known("only", self.only or (), self.tasks)
        most = max(self.tries_of(task) for task in self.tasks.values())
        if list(self.levels) != sorted(set(self.levels)) or self.levels[0] != 1 or self.levels[-1] > most:
            raise ValueError(f"levels must ascend from 1 to at most the tries, {most}; not {list(self.levels)}")
        end = self.seed + self.starts * (1 + (self.perturbed or 0))  # perturbed starts follow the others
        if self.pilot.seed < end and self.seed < self.pilot.seed + self.pilot.starts:
            raise ValueError("pilot.seed: its starts are among the searches' own; move it away from seed")
        if PAPER not in self.heads:
            raise ValueError(f"heads needs one called {PAPER!r}, with which the others are compared")
        if len(set(self.models)) < len(self.models):
            raise ValueError("models: one is named twice; name each once")
        taken = [name for name in self.heads if is_control(name)]
        if taken:
            raise ValueError(f"heads: {taken[0]!r} is what the control of another head is called; rename it")
        for task in self.tasks.values():
            for name in self.heads:
                head = self.reward(task, self.models[0], self.negatives[0], name, 1.0, 0.5).head
                if not head.terminates:
                    raise ValueError(f"heads.{name}: form {head.form!r} pays no successes; use one with a threshold")
                if name == PAPER and (head.further_models or head.further_templates or not head.agree.is_of_one):
                    raise ValueError(f"heads.{PAPER} must be the plain softmax_binary, which is calibrated")
        if self.cem is not None:
            _known("cem.heads", self.cem.heads, self.heads)
            _known("cem.models", self.cem.models, self.models)
            _known("cem.negatives", self.cem.negatives or (), [spec.kind for spec in self.negatives])
            if self.cem.starts > self.starts:
                raise ValueError(f"cem.starts is {self.cem.starts}, of {self.starts} starts; lower it")
        for agent in self.agents:
            name, equals, folder = agent.partition("=")
            if not (equals and folder):
                raise ValueError(f"agents: {agent!r} is not TASK=FOLDER")
            _known("agents", (name,), self.searched)
        folders = [Path(agent.partition("=")[2]).name for agent in self.agents]
        if len(set(folders)) < len(folders):
            raise ValueError("agents: two run folders have one name, by which tables know them; rename one")
        return self

    @property
    def searched(self) -> dict[str, TaskSpec]:
        """The tasks that are searched, by name."""
        return {name: task for name, task in self.tasks.items() if self.only is None or name in self.only}

    def agents_of(self, name: str) -> list[Path]:
        """Return the run folders of a task's trained agents."""
        told = [agent.partition("=") for agent in self.agents]
        return [Path(run) for task, _, run in told if task == name]

    def tries_of(self, task: TaskSpec) -> int:
        """Return how many random episodes are recorded of each of a task's starts."""
        return self.tries if task.tries is None else task.tries

    def reward(
        self, task: TaskSpec, model: str, negatives: NegativesSpec, head: str, tau: float, beta: float
    ) -> RewardConfig:
        """Return one reward of the benchmark.

        Args:
            task: Its task.
            model: Of `models`.
            negatives: Of `negatives`.
            head: Name of one of `heads`.
            tau: Temperature.
            beta: Threshold.

        Raises:
            ConfigError: The head's settings cannot be used.
        """
        values = dict(self.heads[head])
        if values.get("form") == "unanimous":
            values.setdefault("templates", task.further_templates)
        if values.get("form") == "ensemble":
            named = values.get("models", self.models)
            values["models"] = [other for other in named if other != model]
        return RewardConfig(
            model=model,
            template=task.template,
            negatives=negatives,
            tau=tau,
            beta=beta,
            head=HEADS.parse(values),
            precision=self.precision,
        )


def _known(where: str, names: tuple[str, ...], known: Any) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{where}: there is no {name!r}; {near_matches(name, known)}")
