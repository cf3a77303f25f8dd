"""What a reward model can do with folders and the hub, by the names that the hub's own models use.

The hub's `ModelHubMixin` is not it: that writes a `config.json` of what a constructor was given, as far as JSON has it,
and knows of no weights by reference and no proof.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from vlm_rewards.encoders import Encoder, EnsembleEncoder
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_config import CheckpointHashes, RewardConfig

if TYPE_CHECKING:
    from vlm_rewards.hub.saved_reward import CalibrationCurve


class SavesToTheHub:
    """`from_pretrained`, `save_pretrained` and `push_to_hub` of a reward model.

    Attributes:
        config: The reward's settings.
        task_set: Its goals.
        encoder: Its towers.
        fingerprint: Of the reward, hex sha256.
    """

    config: RewardConfig
    task_set: TaskSet
    encoder: Encoder
    fingerprint: str

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> Self:
        """Load a saved reward, and prove that it is the one that was saved.

        Args:
            pretrained_model_name_or_path: Its folder, or its hub id, `owner/name` or `owner/name@revision`.
            options: `revision`, `token`, `cache_dir`, `local_files_only` and `force_download`, as for models of the
                hub; and `device`, the towers' torch device.

        Raises:
            ConfigError: There is no such reward, or its settings were changed.
            SelfCheckError: A model is not the one that it was saved with.
            VLMRewardsError: As the constructor.
        """
        from vlm_rewards.hub.saved_reward import SavedReward

        device = options.pop("device", None)
        saved = SavedReward.read(pretrained_model_name_or_path, **options)
        changes = {"device": device} if device else {}
        make: Any = cls  # the constructor is the subclass's
        model: Self = make(changed(saved.reward, **changes), saved.task_set)
        return model

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        with_weights: bool = False,
        calibration: "CalibrationCurve | None" = None,
        license: str | None = None,
        repo_id: str | None = None,
    ) -> Path:
        """Write the reward into a folder, with a card that says what it is: what `from_pretrained` reads.

        Args:
            save_directory: The folder; one that is there keeps its other files.
            with_weights: Copy the models that are folders of this machine; others are named.
            calibration: How precise the reward was found to be.
            license: The card's license, by the hub's id for it, such as `apache-2.0`.
            repo_id: Where it will be on the hub, for the card's examples.

        Returns:
            The folder.

        Raises:
            ConfigError: A model is a folder of this machine and `with_weights` is off, or nothing can be written there.
        """
        from vlm_rewards.hub.reward_card import write_card
        from vlm_rewards.hub.saved_reward import SavedReward

        folder = Path(save_directory)
        members = self.encoder.members if isinstance(self.encoder, EnsembleEncoder) else (self.encoder,)
        hashes = tuple(map(CheckpointHashes.of, self.config.models, members))
        config = changed(self.config, checkpoints=hashes)
        saved = SavedReward.write(folder, config, self.task_set, self.fingerprint, calibration, with_weights)
        write_card(folder, saved, calibration, license, repo_id)
        return folder

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str = "A reward of vlm_rewards",
        private: bool | None = None,
        token: str | bool | None = None,
        branch: str | None = None,
        create_pr: bool = False,
        **saving: Any,
    ) -> str:
        """Save the reward and upload it to the hub.

        Args:
            repo_id: `owner/name`; made where there is none.
            commit_message: First line of the commit.
            private: Whether a new repository is private; None takes the owner's default.
            token: Hub token; None takes the one that `hf auth login` has stored.
            branch: To commit to, made where there is none; None takes `main`.
            create_pr: Open a pull request instead of committing.
            saving: See `save_pretrained`.

        Returns:
            Address of the commit, or of the pull request.

        Raises:
            ConfigError: As `save_pretrained`; or nobody is logged in, or the hub refuses.
        """
        # Here, for it takes long to import, and whoever computes rewards needs no hub.
        from vlm_rewards.hub.transfer import push_folder

        with TemporaryDirectory(prefix="vlm-rewards-push-") as folder:
            return push_folder(
                self.save_pretrained(folder, repo_id=repo_id, **saving),
                repo_id,
                commit_message=commit_message,
                private=private,
                token=token,
                branch=branch,
                create_pr=create_pr,
            )


def changed(reward: RewardConfig, **changes: Any) -> RewardConfig:
    """Return a reward with some settings replaced, and those that were left out left out still."""
    return RewardConfig(**{**{name: getattr(reward, name) for name in reward.model_fields_set}, **changes})
