"""What Tune keeps of a study, damaged: taken up as it was or refused on one line, and no trial begins anew."""

import json
import shutil

import pytest
from ray import tune

from experiments.study.tune_state import restored, taking_up_trials
from tests.experiments.damages import each_damage
from vlm_rewards.errors import ConfigError


@pytest.fixture(scope="module")
def finished(ray_session, tmp_path_factory):
    """A folder of Tune's with two trials that have ended, and a function that takes them up again; each restores it."""
    place, over = tmp_path_factory.mktemp("tune") / "study", tmp_path_factory.mktemp("over") / "over"

    def run_trial(config):
        assert not over.exists(), "a finished trial began anew"
        tune.report({"finished": True})

    trainable = tune.with_parameters(run_trial)
    tune.Tuner(
        trainable,
        param_space={"trial": tune.grid_search([1, 2])},
        run_config=tune.RunConfig(name=place.name, storage_path=str(place.parent), verbose=0),
    ).fit()
    over.touch()
    files = {path: path.read_bytes() for path in sorted(place.iterdir()) if path.is_file()}

    def taken_up():
        try:
            tuner = restored(str(place), trainable)
            assert tuner is not None
            with taking_up_trials(str(place)):
                results = tuner.fit()
        except ConfigError as error:
            return str(error)
        finally:
            # Each session leaves files of its own, and Tune reads the newest.
            for path in set(place.iterdir()) - set(files):
                path.unlink() if path.is_file() else shutil.rmtree(path)
        return sorted((one.config["trial"], one.metrics["finished"], str(one.error)) for one in results)

    return files, taken_up


def test_every_damaged_file_of_tunes_own_is_told_in_one_line_or_decides_nothing(finished):
    files, taken_up = finished
    whole = taken_up()
    assert whole == [(1, True, "None"), (2, True, "None")]
    refused = set()
    for path, damage in each_damage(files):
        found = taken_up()
        if isinstance(found, str):
            assert f"{path.parent}, is damaged" in found, (path, damage)
            assert "\n" not in found
            refused.add((path.name.partition("-")[0], damage))
        else:
            assert found == whole, (path, damage)
    decisive = {(name, damage) for name, damage in refused if name in ("tuner.pkl", "experiment_state")}
    assert len(decisive) == 8
    assert refused == decisive


@pytest.mark.parametrize("change", [{"trial_data": [["{}", "{}"]]}, {"runner_data": None}, {"trial_data": [[1, 2]]}])
def test_a_state_that_only_tune_cannot_read_stops_it_before_it_begins_anew(finished, change):
    """Tune itself would log a traceback, and begin all trials again."""
    files, taken_up = finished
    (state,) = (path for path in files if path.name.startswith("experiment_state"))
    state.write_text(json.dumps(json.loads(files[state]) | change))
    try:
        assert "is damaged" in taken_up()
    finally:
        state.write_bytes(files[state])


def test_a_study_that_never_began_has_nothing_to_take_up(ray_session, tmp_path):
    assert restored(str(tmp_path / "nothing"), None) is None
    (tmp_path / "trial").mkdir()
    with pytest.raises(ConfigError, match=r"tuner\.pkl is missing"):
        restored(str(tmp_path), None)
