"""Where results go: what the settings of all experiments say of it."""

from vlm_rewards.strict_config import StrictConfig


class TrackingConfig(StrictConfig):
    """Where results go. Each kind of experiment has an MLflow experiment of its own by default.

    Attributes:
        uri: MLflow tracking URI; None is a sqlite file in the output folder.
        experiment: Name of the MLflow experiment.
    """

    uri: str | None = None
    experiment: str
