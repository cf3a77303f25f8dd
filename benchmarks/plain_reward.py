"""The reward of a frame as programs of a page compute it: transformers on torch, fp32, eager, and nothing kept."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

import vlm_rewards.encoders.pocket_clip  # noqa: F401  (registers the packaged models with `AutoModel`)
from vlm_rewards.encoders.loading import resolve_model
from vlm_rewards.encoders.quiet import quiet_transformers
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_config import RewardConfig


class PlainReward:
    """Scores frames by equation 1 with the checkpoint's own model, image processor and tokenizer, and no code of ours.

    What `vlmrm` and scripts like it do: all frames of a call through one forward, equal ones too, in this process.
    Texts are embedded once.
    """

    def __init__(self, config: RewardConfig, task_set: TaskSet) -> None:
        """Load the model in float32 and embed all prompts.

        Args:
            config: Its model, prompts and tau count; how it would be run does not.
            task_set: The goals.
        """
        folder = resolve_model(config.model)
        with quiet_transformers():
            self._model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
            self._processor: Any = AutoImageProcessor.from_pretrained(folder)
            tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self._tau = config.tau
        self._texts = {}
        for goal_id, prompts in config.prompts(task_set).items():
            tokens = tokenizer(list(prompts), padding=True, return_tensors="pt")
            with torch.inference_mode():
                found = self._model.get_text_features(
                    input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
                )
            self._texts[goal_id] = torch.nn.functional.normalize(found.pooler_output, dim=-1)

    def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return p(goal) of each frame for the goal beside it, float32 (N,) in [0, 1].

        Args:
            frames: uint8 (N, H, W, 3).
            goal_ids: N ids.
        """
        pixels = self._processor(images=list(frames), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            images = torch.nn.functional.normalize(self._model.get_image_features(pixel_values=pixels).pooler_output)
            scores = [
                torch.softmax(self._texts[goal_id] @ image / self._tau, dim=0)[0]
                for image, goal_id in zip(images, goal_ids, strict=True)
            ]
        result: npt.NDArray[np.float32] = torch.stack(scores).numpy()
        return result
