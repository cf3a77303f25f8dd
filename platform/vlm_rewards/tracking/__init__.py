"""The MLflow seam: one run that never stays RUNNING and loses no metric."""

from vlm_rewards.extras import needs_extra

with needs_extra("tracking"):
    from vlm_rewards.tracking.mlflow_run import MlflowRun
    from vlm_rewards.tracking.params import flatten
    from vlm_rewards.tracking.provenance import provenance_tags

__all__ = ["MlflowRun", "flatten", "provenance_tags"]
