"""What operators see of a real replica: its metrics, its log, and a dashboard whose queries find them."""

import json
import re
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import ray
from ray import serve

from vlm_rewards.errors import ConfigError
from vlm_rewards.service import HandleTransport, RewardClient
from vlm_rewards.service.deploying import deploy
from vlm_rewards.service.observability import COUNTERS, GAUGES, HISTOGRAMS, METRIC_NAMES, REFUSALS
from vlm_rewards.service.serving import RewardAppArgs

DASHBOARD = Path(__file__).parents[3] / "serve_deployments" / "grafana" / "reward_service.json"
# Of Serve's own; the dashboard shows it beside ours.
SERVES_OWN = {"ray_serve_autoscaling_desired_replicas"}


@pytest.fixture(scope="module")
def used_app(ray_session, reward_config, task_set):
    """An application that has answered, cached, and refused."""
    args = RewardAppArgs(reward=reward_config, task_set=task_set, num_cpus=0.1, cache_mb=1, log_level="INFO")
    handle = deploy(args, "observed")
    client = RewardClient(HandleTransport("observed"))
    frames = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    frames[5] = frames[0]
    for _ in range(2):
        client.score(frames, ["app0"] * 6)
    client.embed(frames)
    handle.score.remote(frames, ["app1"] * 6, request_id="run-7/42").result(timeout_s=20)
    with pytest.raises(ConfigError):
        handle.score_all.remote(frames, ["nowhere"], request_id="run-7/43").result(timeout_s=20)
    yield "observed"
    serve.delete("observed", _blocking=False)


def scrape():
    """Returns the Prometheus text that this machine's node exports."""
    node = next(node for node in ray.nodes() if node["Alive"])
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    return urllib.request.urlopen(url, timeout=10).read().decode()


def exported(name):
    if name in GAUGES:
        return f"ray_{name}"
    return f"ray_{name}_total" if name in (*COUNTERS, REFUSALS) else f"ray_{name}_bucket"


@pytest.fixture(scope="module")
def samples(used_app):
    """Returns each sample of the application as (name, labels, value), once all metrics are there."""
    deadline = time.monotonic() + 30
    while True:
        lines = [line for line in scrape().splitlines() if f'application="{used_app}"' in line]
        found = [re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line).groups() for line in lines]
        if {exported(name) for name in METRIC_NAMES} <= {name for name, _, _ in found} or time.monotonic() > deadline:
            return [(name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)) for name, labels, value in found]
        time.sleep(0.5)


def total(samples, name, **labels):
    return sum(v for n, found, v in samples if n == name and labels.items() <= found.items())


def test_every_metric_is_exported_by_a_real_replica_and_says_whose_it_is(samples):
    assert {exported(name) for name in METRIC_NAMES} <= {name for name, _, _ in samples}
    for name, labels, _ in samples:
        if name.startswith("ray_vlm_rewards"):
            assert labels["deployment"] == "RewardDeployment"
            assert labels["replica"]


def test_the_numbers_are_what_happened(samples):
    assert total(samples, "ray_vlm_rewards_requests_total") == 5
    assert total(samples, "ray_vlm_rewards_frames_total") == 4 * 6
    assert total(samples, "ray_vlm_rewards_refusals_total", error="ConfigError") == 1
    # Six frames of which two are equal, four times; the warm-up frame at start is a miss too.
    assert total(samples, "ray_vlm_rewards_cache_misses_total") == 5 + 1
    assert total(samples, "ray_vlm_rewards_cache_hits_total") == 1 + 3 * 6
    assert total(samples, "ray_vlm_rewards_cache_bytes") > 5 * 32 * 4
    assert total(samples, "ray_vlm_rewards_waiting_frames") == 0
    assert total(samples, "ray_vlm_rewards_score_bucket", le="+Inf") == 3 * 6
    assert total(samples, "ray_vlm_rewards_batch_fill_bucket", le="0.1") == 4


def test_each_query_of_the_dashboard_names_a_metric_that_exists(samples):
    names = {exported(name) for name in METRIC_NAMES}
    assert {f"ray_{name}_bucket" for name in HISTOGRAMS} <= names
    panels = json.loads(DASHBOARD.read_text())["panels"]
    used = set()
    for panel in panels:
        for target in panel["targets"]:
            found = set(re.findall(r"\bray_\w+", target["expr"]))
            assert found, target
            used |= found
    assert used <= names | SERVES_OWN
    # Whatever is measured is also shown.
    assert names <= used
    variable = json.loads(DASHBOARD.read_text())["templating"]["list"][1]["query"]
    assert re.findall(r"\bray_\w+", variable)[0] in names


def test_log_lines_are_json_with_the_callers_request_id(used_app):
    folder = Path(ray._private.worker.global_worker.node.get_session_dir_path()) / "logs" / "serve"
    lines = []
    for path in folder.glob("replica_observed_RewardDeployment_*.log"):
        lines += [json.loads(line) for line in path.read_text().splitlines()]
    by_id = {line["client_request_id"]: line for line in lines if line.get("client_request_id")}
    answered, refused = by_id["run-7/42"], by_id["run-7/43"]
    assert (answered["levelname"], answered["kind"], answered["frames"]) == ("INFO", "score", 6)
    assert (refused["levelname"], refused["kind"], refused["error"]) == ("WARNING", "score_all", "ConfigError")
    assert "'nowhere'" in refused["message"]
    for line in (answered, refused):
        assert line["application"] == "observed"
        assert line["replica"]
        assert line["request_id"]
