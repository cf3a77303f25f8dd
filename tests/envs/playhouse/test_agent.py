import numpy as np
import pytest

from envs.playhouse.agent import STRIDE, TURN, Command
from envs.playhouse.ground_truth import BESIDE, LIFT_HEIGHT, NEAR
from envs.playhouse.scene import Thing

pytestmark = pytest.mark.usefixtures("home_kept_open")


def stage(env, things, agent=(-0.9, 0.0, 0.0, -0.7)):
    """Puts things around the middle of an empty one-room home, relative to its centre."""
    env.reset(seed=0)
    home = env.episode.home
    cells = home.nav.points(home.nav.free)
    crowd = [(np.abs(cells - cell).max(axis=1) < 1.0).sum() for cell in cells]
    x, y = cells[int(np.argmax(crowd))]
    env.scene.load(home, [Thing(c, k, float(x + dx), float(y + dy), 0.0, 0.0) for c, k, dx, dy in things])
    env.agent.reset()
    env.scene.place_agent(float(x + agent[0]), float(y + agent[1]), *agent[2:])
    for _ in range(2):
        env.agent.act(Command())
    return env


def aim(env, slot=0):
    x, y, _, pitch = env.agent.pose
    centre = env.scene.centre(slot)
    wanted = np.arctan2(centre[2] - 0.9, np.hypot(centre[0] - x, centre[1] - y))
    while abs(wanted - pitch) > TURN / 2:
        env.agent.act(Command(look=float(np.sign(wanted - pitch))))
        pitch = env.agent.pose[3]


def test_a_stride_and_a_turn_are_as_long_as_they_say(make):
    env = stage(make("lift", "small"), [], agent=(-0.5, 0.0, 0.0, 0.0))
    x, y, yaw, _ = env.agent.pose
    for _ in range(3):
        env.agent.act(Command(forward=1.0))
    env.agent.act(Command())
    assert np.hypot(env.agent.pose[0] - x, env.agent.pose[1] - y) == pytest.approx(3 * STRIDE, abs=0.03)
    for _ in range(6):
        env.agent.act(Command(turn=1.0))
    assert env.agent.pose[2] - yaw == pytest.approx(6 * TURN, abs=0.03)


def test_walls_stop_the_agent(make):
    env = stage(make("lift", "small"), [])
    room = env.episode.home.rooms[0]
    for _ in range(40):
        env.agent.act(Command(forward=1.0))
    assert env.agent.pose[0] < room.x1 - 0.2


def test_grabbing_needs_contact(make):
    env = stage(make("lift", "small"), [("ball", "red", 0.6, 0.0)])
    aim(env)
    env.agent.act(Command(grip=1.0))  # 1.5 m away: the hand does not reach
    assert env.agent.held is None
    assert env.agent.ever_held == set()
    env = stage(make("lift", "small"), [("ball", "red", 0.0, 0.0)])
    for _ in range(4):
        env.agent.act(Command(turn=1.0))
    env.agent.act(Command(grip=1.0))  # within reach, but not where the hand goes
    assert env.agent.held is None


def test_a_held_thing_is_lifted_carried_and_dropped_by_physics(make):
    env = stage(make("lift", "small"), [("drum", "red", 0.0, 0.0)])
    aim(env)
    assert not env.truth.is_lifted(0)
    env.agent.act(Command(grip=1.0))
    assert env.agent.held == 0
    assert not env.truth.is_lifted(0), "grabbing is not lifting"
    for _ in range(2):
        env.agent.act(Command(look=1.0))
    assert env.scene.lowest(0) > LIFT_HEIGHT
    assert env.truth.is_lifted(0)
    before = env.scene.centre(0).copy()
    for _ in range(4):
        env.agent.act(Command(turn=1.0))
    assert np.linalg.norm(env.scene.centre(0) - before) > 0.6, "it comes along"
    env.agent.act(Command(grip=-1.0))
    assert env.agent.held is None
    assert not env.truth.is_lifted(0)
    for _ in range(8):
        env.agent.act(Command())
    assert env.scene.lowest(0) == pytest.approx(0.0, abs=0.02), "it falls to the floor"


def test_a_held_thing_collides_with_others(make):
    env = stage(make("lift", "small"), [("drum", "red", 0.0, 0.0), ("duck", "blue", 0.0, -0.8)])
    aim(env)
    env.agent.act(Command(grip=1.0))
    assert env.agent.held == 0
    before = env.scene.centre(1).copy()
    for _ in range(5):
        env.agent.act(Command(turn=-1.0))
    assert np.linalg.norm(env.scene.centre(1) - before) > 0.1, "the carried drum pushes the duck"


def test_near_needs_nearness_and_sight(make):
    env = stage(make("find", "small"), [("teddy", "red", 0.0, 0.0)], agent=(-1.0, 0.0, 0.0, -0.6))
    assert env.truth.holds("find", 0, None)
    env = stage(make("find", "small"), [("teddy", "red", 0.0, 0.0)], agent=(-1.0, 0.0, np.pi, -0.6))
    assert env.truth.is_near(0)
    assert not env.truth.is_visible(0), "it is behind the agent"
    env = stage(make("find", "small"), [("teddy", "red", 0.0, 0.0)], agent=(-NEAR - 0.2, 0.0, 0.0, -0.5))
    assert env.truth.is_visible(0)
    assert not env.truth.is_near(0)
    things = [("rocket", "red", 0.0, 0.0), ("drum", "blue", -0.35, 0.0), ("teddy", "blue", -0.35, 0.3)]
    env = stage(make("find", "small"), things, agent=(-1.0, 0.0, 0.0, -0.5))
    assert env.truth.is_visible(0), "its top shows over the drum"


def test_placing_counts_only_what_was_carried_and_let_go(make):
    things = [("drum", "red", 0.0, 0.0), ("duck", "blue", 0.1, 0.5)]
    env = stage(make("pick_place", "small"), things)
    assert np.hypot(*(env.scene.centre(0) - env.scene.centre(1))[:2]) < BESIDE
    assert not env.truth.is_placed(0, 1), "it was there all along"
    aim(env)
    env.agent.act(Command(grip=1.0))
    env.agent.act(Command(look=1.0))
    assert not env.truth.is_placed(0, 1), "still in the hand"
    env.agent.act(Command(look=-1.0))
    env.agent.act(Command(grip=-1.0))
    for _ in range(6):
        env.agent.act(Command())
    assert env.truth.is_placed(0, 1)
