"""Datasets of Minari go in and come out, by the real library."""

import numpy as np
import pytest
from gymnasium import spaces
from typer.testing import CliRunner

pytest.importorskip("minari", reason="pip install 'vlm-rewards[minari]'")
import minari
from minari.data_collector.episode_buffer import EpisodeBuffer

from experiments.datasets.foreign import open_recording
from experiments.offline.config import RelabelConfig
from experiments.offline.foreign_relabelling import ForeignRelabelling
from experiments.relabel import app
from tests.lamps import LAMP_REWARD, LAMPS
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.reward_model import RewardModel

PICTURES = spaces.Box(0, 255, (24, 16, 3), np.uint8)
OBSERVATIONS = spaces.Dict(image=PICTURES, position=spaces.Box(-1, 1, (2,), np.float32))
ACTIONS = spaces.Discrete(3)
LENGTHS = (5, 3)


def pictures(length, rng):
    shown = rng.choice(["a photo of the lamp on", "a photo of a red lamp", "a dark room"], length)
    frames = np.stack([FakeEncoder().frame_of(text, 24, 16) for text in shown])
    frames[:, 0, 0] = rng.integers(0, 256, (length, 3))
    return frames


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    """Minari's folder, with one dataset in it: what the buffers of it hold, and its folder."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path / "minari"


def record(
    name="lamps/random-v0", infos=True, observation_space=OBSERVATIONS, change=lambda observations: observations
):
    rng = np.random.default_rng(0)
    buffers = []
    for number, length in enumerate(LENGTHS):
        observations = {
            "image": pictures(length + 1, rng),
            "position": rng.uniform(-1, 1, (length + 1, 2)).astype(np.float32),
        }
        said = {"goal_id": np.array([["lit", "Make it red."][number]] * (length + 1), "S16")}
        buffers.append(
            EpisodeBuffer(
                id=number,
                observations=change(observations),
                actions=rng.integers(0, 3, length),
                rewards=rng.uniform(size=length),
                terminations=np.arange(length) == length - 1,
                truncations=np.zeros(length, bool),
                infos=said if infos else None,
            )
        )
    return minari.create_dataset_from_buffers(
        name, buffers, observation_space=observation_space, action_space=ACTIONS, jpeg_encoding=False
    )


def config(source, tmp_path, **data):
    (tmp_path / "lamps.yaml").write_text(LAMPS.model_dump_json())
    sets = {"task_sets": {"lamps": str(tmp_path / "lamps.yaml")}}
    return RelabelConfig(
        data={"dataset": str(source), **sets, **data},
        reward=LAMP_REWARD,
        served_by={"kind": "in_process"},
        request_frames=4,
    )


def relabel(source, out, tmp_path, **data):
    settings = config(source, tmp_path, **data)
    recording = open_recording(settings.data.dataset, settings.data.frames)
    ForeignRelabelling(settings, recording, out).execute(lambda done, total: None)


@pytest.mark.parametrize("by", ["id", "folder"])
def test_a_dataset_comes_out_with_the_rewards_of_its_pictures_and_nothing_else_changed(by, datasets, tmp_path):
    source = record()
    out = datasets / "lamps" / "paid-v0"
    relabel("lamps/random-v0" if by == "id" else datasets / "lamps" / "random-v0", out, tmp_path)
    paid = minari.MinariDataset(out / "data")
    model = RewardModel(LAMP_REWARD, LAMPS)
    assert (paid.spec.dataset_id, len(paid)) == ("paid-v0", 2)
    some = 0
    for old, new, goal in zip(source.iterate_episodes(), paid.iterate_episodes(), ("lit", "red"), strict=True):
        scores = model.score(old.observations["image"], [goal] * (len(old) + 1))
        np.testing.assert_array_equal(new.infos["vlm_score"], scores)
        np.testing.assert_array_equal(new.infos["vlm_reward"], model.reward(scores))
        np.testing.assert_array_equal(new.rewards, model.reward(scores)[1:])
        np.testing.assert_array_equal(new.infos["env_reward"], [0, *old.rewards])
        for name in ("image", "position"):
            np.testing.assert_array_equal(new.observations[name], old.observations[name])
        for name in ("actions", "terminations", "truncations"):
            np.testing.assert_array_equal(getattr(new, name), getattr(old, name))
        some += new.rewards.sum()
    assert some > 0
    assert model.fingerprint in paid.storage.metadata["description"]
    assert not list(out.parent.glob(".*"))
    # And in again: what came out is a dataset like any other.
    relabel(out, tmp_path / "again", tmp_path)
    np.testing.assert_array_equal(minari.MinariDataset(tmp_path / "again" / "data")[0].rewards, paid[0].rewards)


FLAT = spaces.Box(-1, 1, (4,), np.float32)
FLOATS = spaces.Box(0, 1, (24, 16, 3), np.float32)
TWO = spaces.Dict(left=PICTURES, right=PICTURES)


@pytest.mark.parametrize(
    ("recorded", "data", "says"),
    [
        ({"infos": False}, {}, "--goal ID"),
        (
            {"observation_space": FLAT, "change": lambda o: np.zeros((len(o["image"]), 4), np.float32)},
            {},
            "no pictures",
        ),
        ({"observation_space": FLOATS, "change": lambda o: (o["image"] / 255).astype(np.float32)}, {}, "no pictures"),
        (
            {"observation_space": TWO, "change": lambda o: {"left": o["image"], "right": o["image"]}},
            {},
            "--frames left",
        ),
        ({}, {"frames": "imgae"}, "did you mean 'image'"),
        ({}, {"goal": "lti"}, "did you mean 'lit'"),
        ({}, {"task_sets": {"a": "playhouse_find_small", "b": "open_common_apps"}}, "one task set, not"),
        ({}, {"task_sets": {"a": "open_common_apps"}}, "is no goal of task set"),
        ({}, {"dataset": "lamps/rnadom-v0"}, "did you mean 'lamps/random-v0'"),
    ],
)
def test_what_cannot_be_relabelled_is_one_line(recorded, data, says, datasets, tmp_path):
    record(**recorded)
    with pytest.raises(ConfigError, match=says) as raised:
        relabel("lamps/random-v0", tmp_path / "out", tmp_path, **data)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_the_command_takes_an_id_and_one_goal_for_all(datasets, mlflow_store, tmp_path):
    record(infos=False)
    config("-", tmp_path)
    saved = RewardModel(LAMP_REWARD, LAMPS).save_pretrained(tmp_path / "reward")
    options = ["--dataset", "lamps/random-v0", "--out", str(tmp_path / "out"), "--reward-file", str(saved)]
    options += ["--set", f"data.task_sets={{lamps: {tmp_path / 'lamps.yaml'}}}", "--transport", "in_process"]
    result = CliRunner().invoke(app, [*options, *mlflow_store, "--goal", "red"])
    assert result.exit_code == 0, result.output
    new = minari.MinariDataset(tmp_path / "out" / "data")[0]
    scores = RewardModel(LAMP_REWARD, LAMPS).score(new.observations["image"], ["red"] * 6)
    np.testing.assert_array_equal(new.infos["vlm_score"], scores)
