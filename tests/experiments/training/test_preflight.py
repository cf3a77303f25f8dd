"""What a training is refused for before Ray starts."""

import pytest

from experiments.shared.preset_files import load_preset
from experiments.training.config import TrainConfig
from experiments.training.preflight import check_before_ray, check_model
from vlm_rewards.errors import CheckpointError, ConfigError


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("algorithm.name=appo", "sampling.num_env_runners"),
        ("algorithm.name=impala", "sampling.num_env_runners"),
        ("reward.model=nosuch", "unknown model 'nosuch'"),
        ("seed=4294967296", "must be below"),
        ("evaluation.seed=4294967290", "must be below"),
    ],
)
def test_settings_that_only_ray_would_have_refused(override, message):
    good, bad = (TrainConfig(**load_preset("train", "smoke", overrides)) for overrides in ([], [override]))
    check_before_ray([good])
    with pytest.raises(ConfigError, match=message):
        check_before_ray([good, bad])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["algorithm.replay_capacity=100000000"],
            r"the replay needs 1\d{3}\.\d\d GB, .* lower algorithm.replay_capacity",
        ),
        (["agent.recurrent=true"], "set agent.recurrent false"),
        (["sampling={compile_learner: true, num_learners: 2}"], "leave sampling.compile_learner out"),
    ],
)
def test_a_learner_is_refused_before_ray(overrides, message):
    with pytest.raises(ConfigError, match=message):
        check_before_ray([TrainConfig(**load_preset("train", "find_hindsight", overrides))])


@pytest.mark.parametrize(
    ("preset", "override", "message"),
    [
        ("find_hindsight", "reward.head={form: cosine}", "the dense form 'cosine' never says so"),
        ("find_hindsight_ground_truth", "agent.eye={weight: 1}", "the reward is the environment's own"),
        ("find_hindsight", "served_by.cache_mb=0", "would be computed twice; set served_by.cache_mb"),
        (
            "find_hindsight",
            "reward.head={form: cascade, model: pocket-xs, threshold: 0.1}",
            "a cascade would save nothing; leave agent.eye out",
        ),
        ("find_hindsight", "agent.eye={weight: 0}", "agent.eye.weight"),
    ],
)
def test_levers_without_what_they_need_are_refused_with_the_settings(preset, override, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**load_preset("train", preset, [override]))


def test_the_levers_have_presets_each_can_be_switched_off_and_the_paper_s_have_none():
    both = TrainConfig(**load_preset("train", "find_hindsight"))
    check_before_ray([both])
    assert both.algorithm.hindsight is not None
    assert both.agent.eye is not None
    off = TrainConfig(**load_preset("train", "find_hindsight", ["agent.eye=null", "algorithm.hindsight=null"]))
    assert (off.algorithm.hindsight, off.agent.eye) == (None, None)
    assert TrainConfig(**both.model_dump(mode="json")) == both  # as a resumed run reads it
    for name in ("find_small", "demo", "smoke"):
        assert TrainConfig(**load_preset("train", name)).agent.eye is None


def test_ground_truth_needs_no_model():
    check_before_ray([TrainConfig(**load_preset("train", "smoke", ["reward={kind: ground_truth}"]))])


def test_a_model_that_is_nowhere_is_told(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="'no/such-model' is not in the hub's cache"):
        check_model("no/such-model")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "https://127.0.0.1:9")
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CheckpointError, match=r"the hub 127\.0\.0\.1 does not answer"):
        check_model("no/such-model")
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        check_model(str(tmp_path))


@pytest.mark.parametrize(
    ("overrides", "compiler", "compiles"),
    [
        ([], True, True),
        ([], False, False),
        (["total_env_steps=20000"], True, False),
        (["total_env_steps=20000", "sampling.compile_learner=true"], True, True),
        (["sampling.compile_learner=false"], True, False),
        (["sampling.num_gpus_per_learner=1"], True, False),
        (["sampling.num_learners=2"], True, False),
    ],
)
def test_long_trainings_on_a_processor_are_compiled_where_there_is_a_compiler(
    monkeypatch, overrides, compiler, compiles
):
    monkeypatch.setattr("experiments.training.config.has_compiler", lambda: compiler)
    assert TrainConfig(**load_preset("train", "find_hindsight", overrides)).compiles_learner == compiles
