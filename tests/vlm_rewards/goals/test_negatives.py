from collections import Counter

import pytest

from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import Goal, NegativesSpec, PromptTemplate, TaskSet

TEMPLATE = PromptTemplate.named("C")


def many_goals(count: int) -> TaskSet:
    goals = tuple(Goal(id=f"g{i:02d}", subject=f"App{i}", instruction=f"open App{i}") for i in range(count))
    return TaskSet(name="many", version=1, goals=goals[:-3], held_out=goals[-3:])


def test_goals_are_all_others_of_both_splits(task_set):
    captions = NegativesSpec(kind="goals").captions(task_set.goal("gmail"), task_set, TEMPLATE)
    assert sorted(captions) == sorted(f"Screenshot of {x}" for x in ("Sheets", "Chrome", "Clock", "Maps", "Docs"))


def test_states_are_added_verbatim(task_set):
    goals = NegativesSpec(kind="goals").captions(task_set.goal("maps"), task_set, TEMPLATE)
    both = NegativesSpec(kind="goals_and_states").captions(task_set.goal("maps"), task_set, TEMPLATE)
    assert both == goals + task_set.unachieved_captions


def test_a_draw_is_fixed_by_its_seed_and_the_goal_alone():
    task_set = many_goals(20)
    spec = NegativesSpec(count=5, seed=3)
    drawn = {goal.id: spec.captions(goal, task_set, TEMPLATE) for goal in task_set.all_goals}
    again = {goal.id: spec.captions(goal, task_set, TEMPLATE) for goal in reversed(task_set.all_goals)}
    assert drawn == again
    shuffled = task_set.model_copy(update={"goals": task_set.goals[::-1]})
    assert spec.captions(task_set.goals[0], shuffled, TEMPLATE) == drawn["g00"]
    other = NegativesSpec(count=5, seed=4)
    assert any(other.captions(goal, task_set, TEMPLATE) != drawn[goal.id] for goal in task_set.goals)


def test_draws_never_hold_the_goal_nor_repeat_and_are_uniform():
    task_set = many_goals(11)
    counts: Counter[str] = Counter()
    goal = task_set.goals[0]
    for seed in range(2000):
        captions = NegativesSpec(count=3, seed=seed).captions(goal, task_set, TEMPLATE)
        assert len(set(captions)) == 3
        counts.update(captions)
    assert TEMPLATE.fill(goal) not in counts
    assert len(counts) == 10
    # Each of 10 is drawn 600 times in the mean, with a standard deviation of 20.5: five of them either way.
    assert all(abs(count - 600) < 103 for count in counts.values()), counts


def test_a_state_that_reads_as_the_goal_is_refused(task_set):
    bad = task_set.model_copy(update={"unachieved_captions": ("screenshot of  GMAIL",)})
    with pytest.raises(ConfigError, match="negatives of goal 'gmail' contain the goal itself"):
        NegativesSpec(kind="goals_and_states").captions(bad.goal("gmail"), bad, TEMPLATE)


def test_two_goals_with_one_subject_are_refused():
    goals = tuple(Goal(id=x, subject="Mail", instruction="open it") for x in ("a", "b"))
    task_set = TaskSet(name="twins", version=1, goals=goals)
    with pytest.raises(ConfigError, match="contain the goal itself"):
        NegativesSpec().captions(goals[0], task_set, TEMPLATE)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kind": "goals", "count": 9}, "has only 5 goals besides 'gmail'"),
        ({"kind": "goals", "count": 0}, "count"),
        ({"kind": "others"}, "'goals' or 'goals_and_states'"),
        ({"kidn": "goals"}, "did you mean 'kind'"),
        ({"seed": -1}, "seed"),
    ],
)
def test_unusable_settings_are_refused(task_set, spec, message):
    with pytest.raises(ConfigError) as caught:
        NegativesSpec(**spec).captions(task_set.goal("gmail"), task_set, TEMPLATE)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_states_must_exist_and_a_lone_goal_has_no_negatives(task_set):
    bare = task_set.model_copy(update={"unachieved_captions": ()})
    with pytest.raises(ConfigError, match="has no unachieved_captions"):
        NegativesSpec(kind="goals_and_states").captions(bare.goal("gmail"), bare, TEMPLATE)
    lone = task_set.model_copy(update={"goals": task_set.goals[:1], "held_out": ()})
    with pytest.raises(ConfigError, match="needs a second goal"):
        NegativesSpec().captions(lone.goals[0], lone, TEMPLATE)


def test_a_negative_that_is_listed_twice_competes_once(task_set):
    """Else it would have three times the weight in equation 1."""
    captions = ("the home screen", "The  home screen", "a caf\u00e9", "a cafe\u0301", "the home screen", "a drawer")
    repeated = task_set.model_copy(update={"unachieved_captions": captions})
    spec = NegativesSpec(kind="goals_and_states")
    given = spec.captions(repeated.goal("maps"), repeated, TEMPLATE)
    assert given[-3:] == ("the home screen", "a caf\u00e9", "a drawer")
    once = task_set.model_copy(update={"unachieved_captions": given[-3:]})
    assert spec.captions(once.goal("maps"), once, TEMPLATE) == given


def test_twins_among_the_other_goals_compete_once():
    goals = tuple(Goal(id=x, subject=y, instruction="open it") for x, y in (("a", "Mail"), ("b", "mail"), ("c", "Map")))
    task_set = TaskSet(name="twins", version=1, goals=goals)
    assert NegativesSpec().captions(goals[2], task_set, TEMPLATE) == ("Screenshot of Mail",)


def test_composed_and_decomposed_accents_are_one_text():
    goals = tuple(Goal(id=x, subject=y, instruction="open it") for x, y in (("a", "caf\u00e9"), ("b", "cafe\u0301")))
    with pytest.raises(ConfigError, match="contain the goal itself"):
        NegativesSpec().captions(goals[0], TaskSet(name="twins", version=1, goals=goals), TEMPLATE)
