"""The diverse phone: fifty more apps, each with a screen of its own, and all within reach."""

import gymnasium
import numpy as np
import pytest
from PIL import Image

from envs.android.actions import COLUMNS as TAP_COLUMNS
from envs.android.actions import MACRO_ACTIONS
from envs.android.apps import DIVERSE_APPS, DIVERSE_CATALOGUE
from envs.android.device import EVAL_SEED_START, Phone
from envs.android.device.contact_sheet import contact_sheet
from envs.android.device.screens import kind_of
from envs.android.env import OpenAppEnv
from envs.android.selftest import KINDS, ScriptWriter, run_scripts
from vlm_rewards.environment.goal_tokens import tokenize
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import PAPER_TEMPLATES, NegativesSpec, PromptTemplate, TaskSet

TASKS = TaskSet.named("open_diverse_apps")


@pytest.fixture(scope="module")
def phone() -> Phone:
    return Phone(0, apps=DIVERSE_CATALOGUE)


def app_frame(phone: Phone, seed: int, package: str, height: int = 128, width: int = 80) -> np.ndarray:
    phone.reset(seed)
    phone.launch(package)
    return phone.render(height, width)


def test_screens_are_clearly_distinct_at_128_by_80(phone: Phone) -> None:
    """Whatever the seed and the theme, a screen is nearer to one of its own app than to those of the 73 others."""
    frames, labels = [], []
    for label, app in enumerate(DIVERSE_CATALOGUE.apps):
        for seed in range(12):
            frames.append(app_frame(phone, seed * 31 + label, app.package)[::2, ::2].reshape(-1).astype(np.float32))
            labels.append(label)
    pixels, truth = np.stack(frames), np.array(labels)
    squares = (pixels**2).sum(1)
    distances = squares[:, None] + squares[None] - 2 * pixels @ pixels.T
    np.fill_diagonal(distances, np.inf)
    is_right = truth[distances.argmin(1)] == truth
    assert is_right.mean() > 0.97
    # The fifty on their own: none of them is taken for another app more than now and then.
    assert is_right[truth >= len(DIVERSE_CATALOGUE.apps) - 50].mean() > 0.985


@pytest.mark.parametrize("app", DIVERSE_APPS, ids=lambda app: app.name)
def test_each_screen_varies_with_its_content_and_agrees_at_all_sizes(phone: Phone, app) -> None:
    seeds = [*range(4), *range(EVAL_SEED_START, EVAL_SEED_START + 4)]
    # Two seeds may draw the same content of an app by chance.
    assert len({app_frame(phone, seed, app.package, 96, 60)[8:].tobytes() for seed in seeds}) >= len(seeds) - 2
    large = Image.fromarray(app_frame(phone, 5, app.package, 400, 250)).resize((60, 96), Image.Resampling.BOX)
    small = app_frame(phone, 5, app.package, 96, 60).astype(float)
    assert np.abs(np.asarray(large, dtype=float) - small).mean() < 14


def test_taps_and_swipes_never_leave_an_app_and_scrolling_shows_more(phone: Phone) -> None:
    taps = [((tap % TAP_COLUMNS + 0.5) / TAP_COLUMNS, (tap // TAP_COLUMNS + 0.5) / 9) for tap in range(54)]
    for app in DIVERSE_APPS:
        top = app_frame(phone, 3, app.package, 64, 40)
        for x, y in taps:
            phone.touch_down(x, y)
            phone.touch_up()
        assert phone.foreground == app.package
        phone.reset(3)
        phone.launch(app.package)
        phone.touch_down(0.5, 0.7)
        phone.touch_move(0.5, 0.3)
        phone.touch_up()
        assert phone.foreground == app.package
        assert (phone.render(64, 40) != top).any() == (kind_of(app).scrolls > 0), app.name


@pytest.mark.parametrize(
    ("name", "touch"), [("Flashlight", (0.5, 0.8)), ("Quiz", (0.2, 0.6)), ("Hydration", (0.5, 0.9))]
)
def test_taps_inside_some_apps_change_their_screen(phone: Phone, name: str, touch: tuple[float, float]) -> None:
    before = app_frame(phone, 2, DIVERSE_CATALOGUE.by_name[name].package)
    phone.touch_down(*touch)
    phone.touch_up()
    assert (phone.render(128, 80) != before).any()


@pytest.mark.parametrize(("layout", "seed"), [("fixed", 0), ("shuffled", 1)])
def test_pages_dock_and_drawer_hold_every_app_once(layout: str, seed: int) -> None:
    placement = Phone(seed, layout, DIVERSE_CATALOGUE).layout
    home = [app for slots in (placement.dock, *placement.pages) for app in slots if app is not None]
    assert sorted(home) == sorted(placement.drawer) == list(range(len(DIVERSE_CATALOGUE.apps)))
    assert {len(page) for page in placement.pages} == {16}
    assert (len(placement.pages), placement.drawer_screens) == (5, 4)


@pytest.mark.parametrize(("layout", "seed"), [("fixed", 0), ("shuffled", 1), ("shuffled", 2)])
def test_every_app_is_at_most_five_actions_away_and_a_goal_of_the_fixed_layout_three(layout: str, seed: int) -> None:
    phone = Phone(seed, layout, DIVERSE_CATALOGUE)
    writer = ScriptWriter(phone.layout, DIVERSE_CATALOGUE)
    goals = {goal.subject for goal in TASKS.all_goals}
    for app in DIVERSE_CATALOGUE.apps:
        actions = writer.shortest(app.package)
        assert len(actions) <= (3 if layout == "fixed" and app.name in goals else 5)
        phone.reset(seed)
        for action in actions:
            points = [step.action["touch_position"] for step in MACRO_ACTIONS[action].steps if step.action][:-2]
            for point in points:
                phone.touch_move(*point)
            phone.touch_up()
        assert phone.foreground == app.package


def test_the_goals_are_the_fifty_and_the_splits_share_none() -> None:
    train, held_out = ({goal.subject for goal in goals} for goals in (TASKS.goals, TASKS.held_out))
    assert (len(train), len(held_out)) == (40, 10)
    assert not train & held_out
    assert train | held_out == {app.name for app in DIVERSE_APPS}
    assert len({goal.id for goal in TASKS.all_goals}) == 50
    assert not train & {goal.subject for goal in TaskSet.named("open_common_apps").all_goals}
    # Held-out goals are neither all in one place nor all of one sort.
    pages = [
        {DIVERSE_CATALOGUE.apps[i].name for i in page if i is not None}
        for page in Phone(0, apps=DIVERSE_CATALOGUE).layout.pages
    ]
    assert all(page & held_out for page in pages[:3])


def test_no_two_instructions_look_the_same_to_the_policy() -> None:
    goals = [*TASKS.all_goals, *TaskSet.named("open_common_apps").all_goals]
    assert len({tokenize(goal.instruction).tobytes() for goal in goals}) == len(goals)


def test_states_not_yet_achieved_are_of_no_goal_and_cover_all_other_apps() -> None:
    captions = " ".join(TASKS.unachieved_captions)
    goals = {goal.subject for goal in TASKS.all_goals}
    assert [app.name for app in DIVERSE_CATALOGUE.apps if app.name not in goals and app.name not in captions] == []
    spec = NegativesSpec(kind="goals_and_states")
    for text in PAPER_TEMPLATES.values():
        template = PromptTemplate(text=text)
        assert not {template.fill(goal) for goal in TASKS.all_goals} & set(TASKS.unachieved_captions)
        for goal in TASKS.all_goals:
            assert len(spec.captions(goal, TASKS, template)) == 49 + len(TASKS.unachieved_captions)


def test_the_task_set_decides_which_phone_it_is() -> None:
    for task_set, apps, count in (
        ("open_common_apps", None, 24),
        ("open_diverse_apps", None, 74),
        ("open_common_apps", "diverse", 74),
    ):
        env = OpenAppEnv(task_set, apps=apps)
        assert len(env.phone.apps.apps) == count
        env.close()
    with pytest.raises(ConfigError, match="no app 'Chess' is installed"):
        OpenAppEnv("open_diverse_apps", apps="common")
    with pytest.raises(ConfigError, match="diverse"):
        OpenAppEnv("open_common_apps", apps="divers")


@pytest.mark.parametrize("layout", ["fixed", "shuffled"])
@pytest.mark.parametrize("split", ["train", "held_out"])
def test_the_truth_is_right_in_every_scripted_episode(layout: str, split: str) -> None:
    env = OpenAppEnv("open_diverse_apps", split, layout=layout, terminate_on_success=False)
    results = list(run_scripts(env, episodes=5 * len(KINDS), seed=3))
    env.close()
    assert [problem for _, problem in results if problem is not None] == []
    assert sum(script.success_at is not None for script, _ in results) == 25


def test_the_contact_sheet_holds_every_app() -> None:
    assert contact_sheet(range(4), 64, 40, columns=10, apps=DIVERSE_CATALOGUE).size == (10 * 42, 8 * 66)


def test_gymnasium_makes_it_by_the_name_of_the_task_set() -> None:
    env = gymnasium.make("android/OpenApp-v0", task_set="open_diverse_apps", split="held_out", max_episode_steps=30)
    seen = {env.reset(seed=seed)[1]["goal_id"] for seed in range(60)}
    assert seen == {goal.id for goal in TASKS.held_out}
    assert env.unwrapped.reward_frame().shape == (128, 80, 3)
    env.close()
