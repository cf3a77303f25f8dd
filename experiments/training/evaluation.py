"""A trained agent judged once more: its newest checkpoint, on episodes that need not be those of its own evaluation."""

import functools
import itertools
import logging
import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from experiments.shared.progress import Bars
from experiments.shared.ray_session import quiet_ray
from experiments.shared.run_folder import RunFolder
from experiments.training.config import TrainConfig
from experiments.training.console import success_table
from experiments.training.environments import evaluation_env, task_set_of
from experiments.training.restoring import restored_networks
from experiments.training.results import evaluate_and_record
from experiments.training.run import REPOSITORY
from experiments.viewing.sources import write_page_beside
from vlm_rewards.errors import ConfigError
from vlm_rewards.service import RewardClient
from vlm_rewards.service.served_by import connect
from vlm_rewards.tracking import MlflowRun, flatten, provenance_tags
from vlm_rewards.tracking.store import default_uri


class Evaluation:
    """One evaluation of a run's newest checkpoint; needs no Ray cluster.

    Attributes:
        config: The run's settings, with what this evaluation changes.
        folder: The run's.
    """

    def __init__(self, config: TrainConfig, folder: RunFolder, output: Path | None = None) -> None:
        """Check that there is something to evaluate, and that the environment can be built.

        Args:
            config: The run's settings, with what this evaluation changes.
            folder: The run's.
            output: Folder that the evaluation's own goes into; None takes the run's.

        Raises:
            ConfigError: The run has no checkpoint, or the environment refuses its options.
        """
        # Frames are scored for the films alone: no service, and no Ray, for so few.
        self.config = config.model_copy(update={"served_by": config.served_by.without_ray()})
        self.folder = folder
        self._output = output or folder.path
        state = folder.restorable(lambda warning: logging.getLogger(__name__).warning(warning))
        if state is None or state.checkpoint is None:
            raise ConfigError(f"the run in {folder.path} has no checkpoint yet; train on with --resume {folder.path}")
        self._state = state
        self._make_env = functools.partial(evaluation_env, self.config)
        self._task_set = task_set_of(self.config)
        self._make_env().close()

    def execute(self) -> None:
        """Run the episodes, print the table, and keep it with the films in a folder and in MLflow.

        Raises:
            VLMRewardsError: Something is wrong; no folder stays behind.
        """
        config = self.config
        assert self._state.checkpoint is not None
        quiet_ray()
        module = restored_networks(self.folder.path / self._state.checkpoint)
        folder = RunFolder.create(self._output, "evaluation", config.model_dump(mode="json")).path
        try:
            with Bars() as bars, self._start_tracking(folder) as run, self._client() as client:
                bars.say(f"evaluating the agent of {self._state.env_steps:,} steps …")
                done = itertools.count(1)
                results = evaluate_and_record(
                    config=config,
                    module=module,
                    task_set=self._task_set,
                    client=client,
                    beta=None if client is None else client.describe().beta,
                    make_env=self._make_env,
                    curve=None,
                    folder=folder,
                    run=run,
                    on_episode=lambda episode: bars.show(
                        "episodes, the random policy's included", next(done), 2 * config.evaluation.episodes
                    ),
                )
                run.log_metrics(results.metrics, step=self._state.env_steps)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        bars.console.print(success_table(results.agent, results.random))
        bars.console.print(f"  {'results':<15}{folder}", soft_wrap=True)
        if results.recording is not None:
            page = write_page_beside(results.recording)
            bars.console.print(f"  {'frame by frame':<15}{page}", soft_wrap=True)

    def _client(self) -> AbstractContextManager[RewardClient | None]:
        config = self.config
        if config.uses_ground_truth or not (config.evaluation.videos or config.evaluation.recording.episodes):
            return nullcontext(None)
        return connect(config.served_by, config.reward_model, self._task_set)

    def _start_tracking(self, folder: Path) -> MlflowRun:
        return MlflowRun.start(
            uri=self.config.tracking.uri or default_uri(self.folder.path.parent),
            experiment=self.config.tracking.experiment,
            name=f"{self.folder.path.name}, {folder.name}",
            params=flatten(self.config.model_dump(mode="json")),
            tags=provenance_tags(REPOSITORY),
            spill_folder=folder,
            parent_run_id=self._state.mlflow_run_id,
            note=(
                f"The agent of {self.folder.path.name} after {self._state.env_steps:,} steps, judged once more by the "
                "ground truth, beside uniformly random actions."
            ),
        )
