"""What a Ray session is refused for before Ray is started, or asked for minutes."""

import socket

import pytest

from experiments.shared.ray_session import ray_session
from vlm_rewards.errors import ConfigError, VLMRewardsError


@pytest.fixture(autouse=True)
def no_ray(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", lambda *_, **__: pytest.fail("Ray was started"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_folder_too_long_for_rays_sockets_is_named_with_its_variable(variable, monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", f"/tmp/{'long' * 20}")
    if variable == "TMPDIR":
        monkeypatch.delenv("RAY_TMPDIR")
        monkeypatch.setattr("tempfile.gettempdir", lambda: f"/tmp/{'long' * 20}")
    refused = pytest.raises(ConfigError, match=f"too long a path for its sockets: set {variable} to a short one")
    with refused, ray_session(1):
        pass


def test_a_cluster_that_is_not_there_is_told_at_once(monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{closed.getsockname()[1]}")
        refused = pytest.raises(ConfigError, match="cannot join the Ray cluster that RAY_ADDRESS names")
        with refused, ray_session(1):
            pass


def test_a_ray_that_does_not_start_is_one_line_with_what_to_do(monkeypatch):
    def too_busy(**settings):
        raise Exception("The current node timed out during startup.\nThis could happen")

    monkeypatch.setattr("ray.init", too_busy)
    refused = pytest.raises(VLMRewardsError, match=r"did not start on this machine \(The current node timed out")
    with refused as caught, ray_session(1):
        pass
    assert "\n" not in str(caught.value)


def test_gpus_that_a_cluster_does_not_have_are_told_and_not_waited_for(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 8.0, "GPU": 1.0})
    with ray_session(8, num_gpus=1):
        pass
    refused = pytest.raises(ConfigError, match=r"needs 1\.5 GPUs and Ray finds 1 in all")
    with refused, ray_session(8, num_gpus=1.5):
        pass
