"""Trained agents as folders and on the hub: sizes and provenance in YAML, weights in safetensors, nothing pickled."""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import torch
import yaml
from huggingface_hub import ModelCard, ModelCardData
from pydantic import Field
from ray.rllib.core.rl_module import RLModule
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import vlm_rewards
from vlm_rewards.environment.action_memory import remembered_actions, with_past_actions
from vlm_rewards.environment.goal_tokens import GOAL_LENGTH, VOCAB_SIZE
from vlm_rewards.errors import CheckpointError, ConfigError
from vlm_rewards.hub.transfer import fetch, push_folder
from vlm_rewards.rllib.q_module import GoalConditionedQModule
from vlm_rewards.rllib.rl_module import GoalConditionedModule, GoalModuleConfig
from vlm_rewards.strict_config import StrictConfig, read_yaml
from vlm_rewards.whole_files import written_whole

AGENT_FILE, WEIGHTS_FILE = "agent.yaml", "model.safetensors"
# Where RLlib keeps the only policy's networks in a checkpoint of an algorithm.
_IN_CHECKPOINT = "learner_group/learner/rl_module/default_policy"
_FILES = (AGENT_FILE, WEIGHTS_FILE, "README.md")
_KINDS: dict[str, type[GoalConditionedModule]] = {"policy": GoalConditionedModule, "q": GoalConditionedQModule}

_CARD = """
# {title}

An agent of vlm_rewards {version}. It acts on a picture uint8 {image} and a goal in words, and chooses among {actions}
actions.

```python
from vlm_rewards.rllib.policy import Policy
from vlm_rewards.rllib.saved_agent import load_agent

agent = Policy(load_agent("{source}"))
actions = agent.act(observations)  # image uint8 (B, H, W, 3), goal int64 (B, {goal_length}) by goal_tokens.tokenize
{past}```

| | |
|---|---|
| environment | {environment} |
| trained on | {trained_on} |
{results}
"""


class SavedAgent(StrictConfig):
    """The file `agent.yaml` of a saved agent.

    Attributes:
        kind: `policy`, or `q` of a Q-network.
        module: Sizes of its networks.
        image: (height, width, 3) of the pictures that it sees.
        actions: How many actions it chooses among.
        past_actions: How many of its last actions it is shown, see `ActionMemoryEnv`.
        final_epsilon: Of a Q-network: probability of a random action.
        weights: Hex sha256 of the file of its weights.
        environment: Gymnasium id that it was trained in; empty where it is not said.
        trained_on: What paid it: a reward's fingerprint or hub id; empty where it is not said.
        results: What was measured of it, by name and in that metric's unit, such as `success_rate`, a share of 1.
        made_by: Version of vlm_rewards that saved it.
    """

    kind: Literal["policy", "q"]
    module: GoalModuleConfig
    image: tuple[int, int, int]
    actions: int = Field(ge=1)
    past_actions: int = Field(default=0, ge=0)
    final_epsilon: float = Field(default=0.1, ge=0, le=1)
    weights: str = Field(pattern=r"^[0-9a-f]{64}$")
    environment: str = ""
    trained_on: str = ""
    results: dict[str, float] = Field(default_factory=dict)
    made_by: str = ""


def save_agent(
    module: GoalConditionedModule,
    folder: str | Path,
    *,
    environment: str = "",
    trained_on: str = "",
    results: dict[str, float] | None = None,
    license: str | None = None,
    repo_id: str | None = None,
) -> Path:
    """Write an agent into a folder: what acts, without what only its training needs.

    Args:
        module: The trained networks, such as `algorithm.get_module()`.
        folder: Where to.
        environment: Gymnasium id that it was trained in.
        trained_on: What paid it: a reward's fingerprint or hub id.
        results: What was measured of it, by name and in that metric's unit, such as `success_rate`, a share of 1.
        license: The card's license, by the hub's id for it.
        repo_id: Where it will be on the hub, for the card's example.

    Returns:
        The folder.

    Raises:
        ConfigError: Nothing can be written there, or a weight is not finite.
    """
    target = Path(folder)
    idle = ("target.", "eye_head.")
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in module.state_dict().items()
        if not name.startswith(idle)
    }
    broken = [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ConfigError(f"weights of the agent are not finite (first: {broken[0]}); save an earlier checkpoint")
    spaces: Any = module.observation_space
    actions: Any = module.action_space
    settings: Any = module.model_config
    sizes = {key: value for key, value in settings.items() if key in GoalModuleConfig.model_fields and key != "eye"}
    try:
        target.mkdir(parents=True, exist_ok=True)
        with written_whole(target / WEIGHTS_FILE) as partial:
            save_file(weights, partial, {"format": "pt"})
        saved = SavedAgent(
            kind="q" if isinstance(module, GoalConditionedQModule) else "policy",
            module=GoalModuleConfig(**sizes),
            image=tuple(spaces["image"].shape),
            actions=int(actions.n),
            past_actions=remembered_actions(spaces),
            final_epsilon=float(settings.get("final_epsilon", 0.1)),
            weights=_sha256(target / WEIGHTS_FILE),
            environment=environment,
            trained_on=trained_on,
            results={name: float(value) for name, value in (results or {}).items() if np.isfinite(value)},
            made_by=vlm_rewards.__version__,
        )
        with written_whole(target / AGENT_FILE) as partial:
            partial.write_text(yaml.safe_dump(saved.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
        _write_card(target, saved, license, repo_id)
    except OSError as error:
        raise ConfigError(f"cannot write into {folder} ({error.strerror}); name another folder") from error
    return target


def agent_of(checkpoint: str | Path) -> GoalConditionedModule:
    """Return the networks of a checkpoint of RLlib's. It is pickled, and pickles run code: only folders of your own.

    Args:
        checkpoint: Folder of a run, of an algorithm's checkpoint, or of a module's; the newest in it is taken.

    Raises:
        ConfigError: There is none, or none of an agent of ours.
    """
    folder = Path(checkpoint).expanduser()
    found = [path for path in (folder, *folder.rglob(_IN_CHECKPOINT)) if (path / "module_state.pkl").is_file()]
    if not found:
        raise ConfigError(f"{checkpoint} holds no checkpoint of RLlib; give the folder of a run that has saved one")
    newest = max(found, key=lambda path: (path / "module_state.pkl").stat().st_mtime)
    try:
        module = RLModule.from_checkpoint(newest)
    except Exception as error:  # what a pickle of other versions raises is of every kind
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{newest} cannot be restored ({reason}); use the versions that it was written with"
        ) from error
    if not isinstance(module, GoalConditionedModule):
        raise ConfigError(f"{newest} holds a {type(module).__name__}, and no agent of vlm_rewards")
    return module


def push_agent(
    module: GoalConditionedModule, repo_id: str, *, private: bool | None = None, token: str | None = None, **saving: Any
) -> str:
    """Save an agent and upload it to the hub.

    Args:
        module: The trained networks.
        repo_id: `owner/name`; made where there is none.
        private: Whether a new repository is private; None takes the owner's default.
        token: Hub token; None takes the one that `hf auth login` has stored.
        saving: See `save_agent`.

    Returns:
        Address of the commit.

    Raises:
        ConfigError: As `save_agent`; or nobody is logged in, or the hub refuses.
    """
    with TemporaryDirectory(prefix="vlm-rewards-push-") as folder:
        save_agent(module, folder, repo_id=repo_id, **saving)
        message = "An agent of vlm_rewards"
        return push_folder(Path(folder), repo_id, commit_message=message, private=private, token=token)


def load_agent(source: str | Path, **options: Any) -> GoalConditionedModule:
    """Load a saved agent, for `Policy`, or to go on with.

    Args:
        source: Its folder, or its hub id, `owner/name` or `owner/name@revision`.
        options: See `hub.transfer.fetch`.

    Raises:
        ConfigError: There is none, or its settings cannot be used.
        CheckpointError: Its weights are not those that were saved, or do not fit its networks.
    """
    folder = fetch(source, _FILES, **options)
    path = folder / AGENT_FILE
    if not path.is_file():
        raise ConfigError(f"{source} holds no {AGENT_FILE}, so it is no saved agent")
    try:
        saved = SavedAgent(**read_yaml(path))
    except (ConfigError, TypeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    file = folder / WEIGHTS_FILE
    if not file.is_file() or _sha256(file) != saved.weights:
        raise CheckpointError(f"{file} is missing or not the one that was saved; fetch the agent again")
    observations = gym.spaces.Dict(
        image=gym.spaces.Box(0, 255, saved.image, np.uint8),
        goal=gym.spaces.Box(0, VOCAB_SIZE - 1, (GOAL_LENGTH,), np.int64),
    )
    module = _KINDS[saved.kind](
        observation_space=with_past_actions(observations, saved.past_actions, saved.actions),
        action_space=gym.spaces.Discrete(saved.actions),
        model_config={**saved.module.to_model_config(), "final_epsilon": saved.final_epsilon},
    )
    try:
        module.load_state_dict(load_file(file), strict=True)
    except (RuntimeError, SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"the weights of {source} do not fit its networks ({reason}); fetch it again") from error
    return module


def _write_card(folder: Path, saved: SavedAgent, license: str | None, repo_id: str | None) -> None:
    tags = ["reinforcement-learning", "vlm-rewards", *([saved.environment] if saved.environment else [])]
    data = ModelCardData(library_name="vlm_rewards", tags=tags, license=license, pipeline_tag="reinforcement-learning")
    body = _CARD.format(
        title=(repo_id or folder.name).rpartition("/")[2],
        version=vlm_rewards.__version__,
        image=saved.image,
        actions=saved.actions,
        source=repo_id or folder.name,
        goal_length=GOAL_LENGTH,
        past=f"# and past_actions int64 (B, {saved.past_actions}) by ActionMemoryEnv\n" if saved.past_actions else "",
        environment=f"`{saved.environment}`" if saved.environment else "not said",
        trained_on=f"`{saved.trained_on}`" if saved.trained_on else "not said",
        results="\n".join(f"| {name} | {value:.4g} |" for name, value in saved.results.items()),
    )
    with written_whole(folder / "README.md") as partial:
        ModelCard(f"---\n{data.to_yaml()}\n---\n{body}").save(partial)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
