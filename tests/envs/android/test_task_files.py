"""The AndroidEnv task files and the task sets fit the installed apps."""

import re

import pytest
from android_env.proto import task_pb2
from google.protobuf import text_format

from envs.android.apps import APPS, CATALOGUE, COMMON_APPS
from envs.android.open_app_config import TASK_PATH
from vlm_rewards.goals import TaskSet

TASK = text_format.Parse(TASK_PATH.read_text(), task_pb2.Task())


def test_the_reset_stops_every_installed_app():
    commands = [" ".join(step.adb_request.generic.args) for step in TASK.reset_steps]
    stopped = re.findall(r"am force-stop ([\w.]+)", " ".join(commands))
    missing = sorted({app.package for app in APPS} - set(stopped))
    assert not missing, f"add `am force-stop` for {missing} to {TASK_PATH}"
    assert len(stopped) == len(set(stopped))


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("Displayed com.google.android.gm/.Main: +312ms", "com.google.android.gm"),
        ("Displayed com.google.android.gm/com.google.Inbox: +1s12ms", "com.google.android.gm"),
        ("Displayed com.android.settings/.Settings for user 0: +250ms", "com.android.settings"),
        ("Displayed com.android.settings/.Settings$Sub: +250ms (total +300ms)", "com.android.settings"),
        ("START u0 {act=android.intent.action.MAIN cmp=com.android.settings/.Settings}", None),
        ("Fully drawn com.google.android.gm/.Main: +312ms", None),
        ("Not Displayed com.google.android.gm/.Main: +312ms", None),
    ],
)
def test_the_log_pattern_reads_androids_own_lines(line, package):
    (pattern,) = TASK.log_parsing_config.log_regexps.extra
    match = re.match(pattern, line)
    assert (match and match.group("name")) == package
    if match:
        assert match.group("extra") == ""  # AndroidEnv then sets the extra to 1


def test_the_task_leaves_episodes_to_the_adapter():
    assert not TASK.expected_app_screen.activity
    assert TASK.max_episode_steps == 0
    assert TASK.max_episode_sec == 0.0


def test_the_common_apps_are_the_train_goals_and_every_goal_is_installed():
    tasks = TaskSet.named("open_common_apps")
    assert [goal.subject for goal in tasks.goals] == [app.name for app in COMMON_APPS]
    assert all(goal.subject in CATALOGUE.by_name for goal in tasks.all_goals)
    assert {goal.id for goal in tasks.held_out}.isdisjoint(goal.id for goal in tasks.goals)


def test_every_app_that_is_no_goal_has_a_caption_among_the_states_not_yet_achieved():
    tasks = TaskSet.named("open_common_apps")
    goals = {goal.subject for goal in tasks.all_goals}
    captions = " ".join(tasks.unachieved_captions)
    assert [app.name for app in APPS if app.name not in goals and app.name not in captions] == []
