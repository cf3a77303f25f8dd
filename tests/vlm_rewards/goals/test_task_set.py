import pytest

from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import Goal, TaskSet, packaged_task_sets

YAML = """
name: apps
version: 2
goals:
  - {id: gmail, subject: Gmail, instruction: open Gmail}
  - {id: maps, subject: Maps, instruction: open Maps}
held_out:
  - {id: docs, subject: Docs, instruction: open Docs}
unachieved_captions: [a home screen]
"""


def test_yaml_gives_both_splits_and_the_captions(tmp_path):
    (tmp_path / "set.yaml").write_text(YAML)
    task_set = TaskSet.from_yaml(tmp_path / "set.yaml")
    assert [goal.id for goal in task_set.split("train")] == ["gmail", "maps"]
    assert task_set.split("held_out") == (Goal(id="docs", subject="Docs", instruction="open Docs"),)
    assert task_set.goal("docs").subject == "Docs"
    assert task_set.unachieved_captions == ("a home screen",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("goals:", "goal:"), "unknown key 'goal'; did you mean 'goals'"),
        (("id: maps", "id: gmail"), "gmail; give each goal its own id"),
        (("id: docs", "id: gmail"), "gmail; give each goal its own id"),
        (("subject: Docs", "topic: Docs"), "unknown key 'topic'"),
        (("[a home screen]", "['  ']"), "empty caption"),
        (("version: 2", "version: two"), "version"),
        (("name: apps", "name: [apps"), "not valid YAML"),
    ],
)
def test_a_mistake_in_the_yaml_is_one_line_that_names_it(tmp_path, change, message):
    path = tmp_path / "set.yaml"
    path.write_text(YAML.replace(*change))
    with pytest.raises(ConfigError) as caught:
        TaskSet.from_yaml(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*none\.yaml"):
        TaskSet.from_yaml(tmp_path / "none.yaml")


def test_an_unknown_goal_gets_near_matches(task_set):
    with pytest.raises(ConfigError, match="unknown goal 'gmial' in task set 'apps'; did you mean 'gmail'"):
        task_set.goal("gmial")


def test_an_unknown_split_is_refused(task_set):
    with pytest.raises(ConfigError, match="'train' or 'held_out'"):
        task_set.split("test")


@pytest.mark.parametrize("name", packaged_task_sets())
def test_a_packaged_task_set_is_found_by_the_name_it_has(name):
    assert TaskSet.named(name).name == name


def test_a_setting_means_a_packaged_task_set_or_a_file(tmp_path):
    (tmp_path / "set.yaml").write_text(YAML)
    assert TaskSet.named_or_from_yaml(str(tmp_path / "set.yaml")).name == "apps"
    assert TaskSet.named_or_from_yaml("open_common_apps") == TaskSet.named("open_common_apps")


def test_an_unknown_packaged_task_set_gets_near_matches():
    with pytest.raises(ConfigError, match="unknown task set 'open_comon_apps'; did you mean 'open_common_apps'"):
        TaskSet.named("open_comon_apps")
