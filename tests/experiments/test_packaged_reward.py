"""The packaged reward model on screens whose content it never saw: what `make demo` relies on.

The ground truth is the phone's own state. Template D, negatives with states, tau 0.05, beta 0.9.
"""

import numpy as np
import pytest

from envs.android.apps import APPS
from envs.android.captions import random_captioned_screen
from envs.android.device.phone import Phone
from envs.android.device.profile import EVAL_SEED_START
from vlm_rewards.goals import TaskSet
from vlm_rewards.heads import threshold
from vlm_rewards.reward_model import RewardConfig, RewardModel

TASK_SET = TaskSet.named("open_common_apps")


@pytest.fixture(scope="module")
def model() -> RewardModel:
    negatives = {"kind": "goals_and_states"}
    config = RewardConfig(model="pocket-android", template="D", negatives=negatives, tau=0.05, beta=0.9)
    return RewardModel(config, TASK_SET)


def rewards(model: RewardModel, frames: list[np.ndarray]) -> np.ndarray:
    """r for every frame (row) and training goal (column), equations 1 and 2."""
    goal_ids = [goal.id for goal in model.task_set.goals]
    return threshold(model.score_all(np.stack(frames), goal_ids), model.beta) > 0


def test_precision_and_recall_over_apps_launcher_drawer_and_shade(model):
    height, width = model.encoder.image_size
    screens = [
        random_captioned_screen(np.random.default_rng([2024, i]), height, width, content="eval") for i in range(1500)
    ]
    rewarded = rewards(model, [screen.frame for screen in screens])
    true = np.array([[screen.label == goal.subject for goal in model.task_set.goals] for screen in screens])
    assert true.sum() > 300
    assert {screen.label for screen in screens} >= {"home_screen", "app_drawer", "notification_shade"}
    hits = (rewarded & true).sum()
    assert hits / rewarded.sum() >= 0.99
    assert hits / true.sum() >= 0.97
    by_goal = (rewarded & true).sum(axis=0) / true.sum(axis=0)
    assert by_goal.min() >= 0.9, dict(zip((goal.id for goal in model.task_set.goals), by_goal, strict=True))


def test_pages_and_drawer_under_way_earn_nothing(model):
    height, width = model.encoder.image_size
    rng, frames = np.random.default_rng(7), []
    for index in range(150):
        phone = Phone(layout="fixed" if index % 2 else "shuffled")
        phone.reset(EVAL_SEED_START + index)
        reach = rng.uniform(0.05, 0.9)
        start, end = [
            ((0.9, 0.5), (0.9 - reach, 0.5)),
            ((0.5, 0.98), (0.5, 0.98 - reach)),
            ((0.5, 0.0), (0.5, reach)),
        ][index % 3]
        phone.touch_down(*start)
        phone.touch_move(*end)
        assert phone.foreground is None
        frames.append(phone.render(height, width))
    assert not rewards(model, frames).any()


def test_a_shade_half_over_an_app_earns_no_other_goal(model):
    height, width = model.encoder.image_size
    rng, frames, names = np.random.default_rng(8), [], []
    for index, app in enumerate(APPS * 6):
        phone = Phone()
        phone.reset(EVAL_SEED_START + index)
        phone.launch(app.package)
        phone.touch_down(0.5, 0.0)
        phone.touch_move(0.5, rng.uniform(0.05, 0.9))
        frames.append(phone.render(height, width))
        names.append(app.name)
    rewarded = rewards(model, frames)
    wrong = np.array([[name != goal.subject for goal in model.task_set.goals] for name in names])
    assert (rewarded & wrong).sum() <= 0.01 * len(frames)
