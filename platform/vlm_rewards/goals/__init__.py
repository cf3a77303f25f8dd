"""Goals, task sets, prompt templates and negatives."""

from vlm_rewards.goals.goal import Goal
from vlm_rewards.goals.negatives import NegativesSpec
from vlm_rewards.goals.prompt_template import PAPER_TEMPLATES, PromptTemplate
from vlm_rewards.goals.task_set import TaskSet, packaged_task_sets
from vlm_rewards.goals.told_apart import check_prompts

__all__ = [
    "PAPER_TEMPLATES",
    "Goal",
    "NegativesSpec",
    "PromptTemplate",
    "TaskSet",
    "check_prompts",
    "packaged_task_sets",
]
