"""What is said once of a recording: of the reward, the captions and the actions."""

from typing import Final, Literal

from vlm_rewards.heads import Agreement
from vlm_rewards.reward_config import RewardConfig
from vlm_rewards.strict_config import StrictConfig

SCHEMA_VERSION: Final = 1
Kind = Literal["evaluation", "dataset"]


class RewardFacts(StrictConfig):
    """The reward that scored the states.

    Attributes:
        model: As configured.
        template: The prompt template, as configured.
        form: The reward form.
        terminates: Whether a reward above 0 would end an episode.
        score_range: Smallest and largest score.
        tau: Temperature of equation 1, above 0.
        beta: Threshold of equation 2, in [0, 1].
        agree: How many of an episode's latest states must be above beta.
        fingerprint: The reward's, hex sha256.
    """

    model: str
    template: str
    form: str
    terminates: bool
    score_range: tuple[float, float]
    tau: float
    beta: float
    agree: Agreement = Agreement()
    fingerprint: str

    @classmethod
    def of(cls, config: RewardConfig, fingerprint: str) -> "RewardFacts":
        """Return what these settings say."""
        return cls(
            model=config.model,
            template=config.template,
            form=config.head.form,
            terminates=config.head.terminates,
            score_range=config.head.score_range,
            tau=config.tau,
            beta=config.beta,
            agree=config.head.agree,
            fingerprint=fingerprint,
        )


class RecordingFacts(StrictConfig):
    """What all episodes of a recording share.

    Attributes:
        version: Of the schema.
        kind: Of an agent's evaluation, or of a dataset.
        name: The run's, or the dataset's.
        reward: What scored the states; None where nothing did.
        captions: All captions that states were compared with.
        actions: Names of the actions, by number; empty where they have none.
        total: Episodes that there were to record.
        notes: What was left out, and why, a sentence each.
    """

    version: Literal[1] = SCHEMA_VERSION
    kind: Kind
    name: str
    reward: RewardFacts | None = None
    captions: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    total: int
    notes: tuple[str, ...] = ()
