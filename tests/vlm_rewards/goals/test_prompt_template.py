import pytest

from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import Goal, PromptTemplate

GMAIL = Goal(id="gmail", subject="Gmail", instruction="open Gmail")


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("A", "Open Gmail"),
        ("B", "Open the Gmail app"),
        ("C", "Screenshot of Gmail"),
        ("D", "Screenshot of Gmail on Android"),
        ("a photo of [TASK]", "a photo of Gmail"),
    ],
)
def test_templates_of_the_paper_and_custom_ones_are_filled(name, prompt):
    assert PromptTemplate.named(name).fill(GMAIL) == prompt


def test_an_unknown_name_says_what_is_known():
    with pytest.raises(ConfigError, match=r"unknown template 'E'; use one of A, B, C, D.*\[TASK\]"):
        PromptTemplate.named("E")


def test_a_template_needs_its_placeholder():
    with pytest.raises(ConfigError, match=r"lacks \[TASK\]"):
        PromptTemplate(text="a photo of a goal")


def test_a_goal_that_holds_a_placeholder_is_filled_in_as_it_is():
    goal = Goal(id="odd", subject="a [INSTRUCTION] of [TASK]", instruction="write [TASK]")
    assert PromptTemplate(text="[TASK], [INSTRUCTION]!").fill(goal) == "a [INSTRUCTION] of [TASK], write [TASK]!"
    assert PromptTemplate(text="[TASK] and [TASK]").fill(GMAIL) == "Gmail and Gmail"
    assert PromptTemplate(text="photo of [TASK]").bare() == "photo of "
