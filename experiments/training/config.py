"""What one training run is made of: the schema of `experiments/presets/train/*.yaml`."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from experiments.shared.tracking_config import TrackingConfig
from experiments.training.reward_kinds import GroundTruthReward, parse_reward
from rllib_configs.algorithms import ALGORITHMS
from rllib_configs.common import CommonHyperparameters, compiles
from rllib_configs.ppo import PPOHyperparameters
from vlm_rewards.environment.exploring_starts import ExploringStarts
from vlm_rewards.errors import ConfigError
from vlm_rewards.heads import Cascade
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.rllib.compiled_learner import has_compiler
from vlm_rewards.rllib.rl_module import GoalModuleConfig
from vlm_rewards.service.served_by import Deploy, InProcess, ServedBy
from vlm_rewards.service.serving import check_device
from vlm_rewards.strict_config import StrictConfig

Algorithm = Annotated[SerializeAsAny[CommonHyperparameters], BeforeValidator(ALGORITHMS.parse)]
Reward = Annotated[SerializeAsAny[RewardConfig | GroundTruthReward], BeforeValidator(parse_reward)]

# Some three thousand updates of the replay's algorithms: what compiling takes is won back in a few hundred.
_STEPS_WORTH_COMPILING = 50_000


class EnvironmentConfig(StrictConfig):
    """The environment to train in.

    Attributes:
        id: Gymnasium id of a `RewardableEnv`.
        options: Passed to its constructor; `terminate_on_success` is the experiment's to set.
        evaluation_options: Those that differ in evaluation, such as unseen screen content.
    """

    id: str = "android/OpenApp-v0"
    options: dict[str, Any] = Field(default_factory=dict)
    evaluation_options: dict[str, Any] = Field(default_factory=dict)

    @property
    def draws_with_mujoco(self) -> bool:
        """Whether every process that steps it needs EGL."""
        return self.id.rpartition(":")[2].startswith("playhouse/")


class SamplingConfig(StrictConfig):
    """How experience is gathered, and what learns from it.

    Attributes:
        num_env_runners: Remote processes that sample; 0 samples in the learner's own, the fastest on two cores.
        num_envs_per_env_runner: Environments stepped together, whose frames share one reward request.
        learner_threads: Threads of the learner's arithmetic; None leaves them as they are. Results are the same bit by
            bit only for equal numbers. More than one pays only on cores that are free: threads that wait for one
            another on busy cores were measured ten times slower than one thread.
        compile_learner: Compile the learner's forward and backward pass (TorchInductor, which needs a C++ compiler):
            less time an update, after half a minute once on a machine and some seconds at each further start. None
            does so on a processor where it can be done and the training is long enough for it to pay. Results are the
            same bit by bit only for equal answers.
        num_learners: Remote processes that learn side by side, each from its share of a batch; 0 learns in the run's
            own.
        num_gpus_per_learner: GPUs of each of them, or of the run's own process; a share of one, or whole ones.
        min_env_runners_share: Share of the env runners below which training waits for lost ones to be replaced; above
            it the others go on, with more rounds for a batch.
    """

    num_env_runners: int = Field(default=0, ge=0)
    num_envs_per_env_runner: int = Field(default=16, ge=1)
    learner_threads: int | None = Field(default=1, ge=1)
    compile_learner: bool | None = None
    num_learners: int = Field(default=0, ge=0)
    num_gpus_per_learner: float = Field(default=0, ge=0)
    min_env_runners_share: float = Field(default=0.5, gt=0, le=1)


class RecordingConfig(StrictConfig):
    """What is kept of the evaluation after training, for `python -m experiments.view`.

    Attributes:
        episodes: Episodes that are kept state by state, the first of the evaluation; 0 keeps none. Each of their
            distinct frames is drawn for the reward model, and scored by it, once.
        megabytes: The most that their pictures and shares take; above it pictures are left out, first of those episodes
            in which reward and truth agree.
    """

    episodes: int = Field(default=300, ge=0)
    megabytes: float = Field(default=14, gt=0)


class EvaluationConfig(StrictConfig):
    """How the trained agent is judged, by ground truth alone.

    Attributes:
        episodes: Episodes at the end, shared equally among the goals.
        every_steps: Environment steps between short evaluations in training, for the learning curve; None for none.
        episodes_in_training: Episodes of each of these, the first of the final ones.
        seed: Seed of the first episode; episode i has `seed + i`.
        deterministic: Whether the agent takes its most probable action, or samples.
        num_envs: Environments stepped side by side.
        videos: Episodes shown in the GIF, each of another goal where there are enough.
        recording: What is kept of the episodes after training, frame by frame.
    """

    episodes: int = Field(default=200, ge=1)
    every_steps: int | None = Field(default=None, ge=1)
    episodes_in_training: int = Field(default=60, ge=1)
    seed: int = Field(default=1_000_000, ge=0)
    deterministic: bool = True
    num_envs: int = Field(default=20, ge=1)
    videos: int = Field(default=4, ge=0)
    recording: RecordingConfig = RecordingConfig()


class TrainTracking(TrackingConfig):
    """Where a training run's results go."""

    experiment: str = "open_app"


class TrainConfig(StrictConfig):
    """One training run.

    Attributes:
        name: Name of the run, in MLflow and in the output folder.
        seed: Seed of everything: two runs with one seed give the same evaluation table.
        total_env_steps: Environment steps to train for; the last iteration may pass it.
        max_training_minutes: Wall-clock minutes after which training ends and evaluation begins, whatever the steps;
            None for no limit. With a limit two runs with one seed differ.
        checkpoint_every_steps: Environment steps between checkpoints.
        max_failures: Times in a row, without a checkpoint in between, that a training which lost what it cannot do
            without (its reward, a learner, too many env runners) goes on from its last checkpoint by itself. A study's
            trials have the study's own.
        environment: The environment.
        reward: The reward model; or `{kind: ground_truth}`, the environment's own reward, for the agent to compare
            with.
        served_by: The way to the reward model: `in_process`, `deploy`, `attach` or `http`.
        sampling: How experience is gathered.
        exploring_starts: Begins some training episodes elsewhere; None begins all where the environment does.
        agent: The agent's networks.
        begin_with: Folder of a run whose newest networks this one begins with, of the same algorithm and sizes; None
            begins with random ones.
        algorithm: What learns, by name, with its hyperparameters. APPO and IMPALA sample while they learn: they need
            `sampling.num_env_runners`, pay on many cores, and give no two equal runs.
        evaluation: How the agent is judged.
        tracking: Where results go.
    """

    name: str = Field(min_length=1, pattern=r"^[\w.-]+$")
    seed: int = Field(default=0, ge=0)
    total_env_steps: int = Field(ge=1)
    max_training_minutes: float | None = Field(default=None, gt=0)
    checkpoint_every_steps: int = Field(default=20_000, ge=1)
    max_failures: int = Field(default=2, ge=0)
    environment: EnvironmentConfig = EnvironmentConfig()
    reward: Reward
    served_by: ServedBy = Deploy()
    sampling: SamplingConfig = SamplingConfig()
    exploring_starts: ExploringStarts | None = None
    agent: GoalModuleConfig = GoalModuleConfig()
    begin_with: str | None = None
    algorithm: Annotated[SerializeAsAny[CommonHyperparameters], BeforeValidator(ALGORITHMS.parse)] = (
        PPOHyperparameters()
    )
    evaluation: EvaluationConfig = EvaluationConfig()
    tracking: TrainTracking = TrainTracking()

    @property
    def uses_ground_truth(self) -> bool:
        """Whether the agent trains on the environment's own reward."""
        return isinstance(self.reward, GroundTruthReward)

    @property
    def reward_model(self) -> RewardConfig:
        """The reward model of a run that has one.

        Raises:
            ConfigError: The agent trains on the environment's own reward.
        """
        if not isinstance(self.reward, RewardConfig):
            raise ConfigError(f"reward is of kind {self.reward.kind}, where a reward model is needed: name one")
        return self.reward

    @model_validator(mode="after")
    def _reward_can_be_served(self) -> "TrainConfig":
        if isinstance(self.reward, RewardConfig):
            self.served_by.check(self.reward)
            if isinstance(self.served_by, InProcess) and self.sampling.num_env_runners:
                check_device(self.reward, self.served_by.num_gpus)
        return self

    @model_validator(mode="after")
    def _reward_can_teach(self) -> "TrainConfig":
        dense = isinstance(self.reward, RewardConfig) and not self.reward.head.terminates
        if self.algorithm.scores_all_goals and dense:
            raise ConfigError(
                f"hindsight asks whether a goal is achieved, and the dense form {self.reward_model.head.form!r} never "
                "says so; use the form softmax_binary, or leave algorithm.hindsight out"
            )
        if self.agent.eye is None:
            return self
        if self.uses_ground_truth:
            raise ConfigError(
                "agent.eye learns from the reward model's embeddings, and the reward is the environment's own; "
                "train on a reward model, or leave agent.eye out"
            )
        if isinstance(self.reward_model.head, Cascade):
            raise ConfigError(
                "agent.eye asks the large model for every frame's embedding, so that a cascade would save nothing; "
                "leave agent.eye out, or use the form softmax_binary"
            )
        if getattr(self.served_by, "cache_mb", None) == 0:
            raise ConfigError(
                "agent.eye asks for a frame's embedding after its scores, and without a cache it would be computed "
                "twice; set served_by.cache_mb, 16 is enough"
            )
        return self

    @property
    def compiles_learner(self) -> bool:
        """Whether the learner's networks are compiled."""
        sampling = self.sampling
        if sampling.compile_learner is not None:
            return sampling.compile_learner
        return (
            self.total_env_steps >= _STEPS_WORTH_COMPILING
            and not sampling.num_gpus_per_learner
            and compiles(self.algorithm, self.agent, sampling.num_learners)
            and has_compiler()
        )

    @property
    def trainer_cpus(self) -> int:
        """CPUs of the run's own process, the env runners and the learners."""
        return 1 + self.sampling.num_env_runners + self.sampling.num_learners

    @property
    def deploys(self) -> bool:
        """Whether the run needs a Serve application of its own."""
        return isinstance(self.served_by, Deploy) and not self.uses_ground_truth

    @property
    def least_reward_cpus(self) -> float:
        """CPUs of the reward's replicas that always run, all together."""
        return self.served_by.least_cpus if self.deploys else 0.0

    @property
    def most_reward_cpus(self) -> float:
        """CPUs of all the reward's replicas that there may be."""
        return self.served_by.most_cpus if self.deploys else 0.0

    @property
    def env_runner_gpus(self) -> float:
        """GPUs of each env runner: those of a reward model that computes in it."""
        if self.uses_ground_truth or not isinstance(self.served_by, InProcess):
            return 0.0
        return self.served_by.num_gpus

    @property
    def least_gpus(self) -> float:
        """GPUs without which the run could not start: of its learners, its env runners and its fewest replicas."""
        sampling = self.sampling
        learners = sampling.num_gpus_per_learner * max(1, sampling.num_learners)
        runners = self.env_runner_gpus * max(1, sampling.num_env_runners)
        replicas = (
            self.served_by.num_gpus * self.served_by.replicas.minimum if isinstance(self.served_by, Deploy) else 0
        )
        return learners + runners + (replicas if self.deploys else 0)

    @property
    def note(self) -> str:
        """What its metrics are, for whoever opens the run."""
        return (
            f"{self.algorithm.name} in {self.environment.id}, paid by {self.reward_name}. `train/reward_return` is "
            "what it was paid; `success_rate` is the ground truth, which it never saw."
        )

    @property
    def reward_name(self) -> str:
        """What the reward is called in figures and as a Serve application."""
        return Path(self.reward.model).name if isinstance(self.reward, RewardConfig) else "ground truth"
