"""Deploying a file: all healthy, or what was there before, by handle and over HTTP."""

import base64
import functools
import threading
import time
from collections import Counter
from types import SimpleNamespace

import httpx2
import numpy as np
import pytest
import yaml
from ray import serve
from typer.testing import CliRunner

from serve_deployments import deploy, gateway, rollout
from serve_deployments.gateway import GatewayArgs
from serve_deployments.rollout import listing, roll_out
from serve_deployments.serve_file import ServeFile
from tests.deploy.schemas import ROOT
from tests.serve_deployments.job_server import JobServer
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service import HandleTransport, HttpTransport, RewardClient

NAME = "reward-rolled"
FRAMES = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
GOALS = ["gmail", "maps"]


def file(model="fake", beta=0.5, user_config=None, **args) -> str:
    app = {
        "name": NAME,
        "route_prefix": None,
        "import_path": "serve_deployments.reward:app_builder",
        "args": {"task_set": "open_common_apps", "reward": {"model": model, "tau": 0.1, "beta": beta}, "num_cpus": 0.1}
        | args,
    }
    if user_config is not None:
        app["deployments"] = [{"name": "RewardDeployment", "user_config": user_config}]
    return yaml.safe_dump({"proxy_location": "HeadOnly", "applications": [app]})


def answers(url):
    """The reward by a new handle and over HTTP, and whether it is listed."""
    client = RewardClient(HandleTransport(NAME))
    listed = {info["name"]: info for info in httpx2.get(f"{url}/v1/models", timeout=20).json()["models"]}
    assert NAME in listed
    assert listed[NAME]["fingerprint"] == client.describe().fingerprint
    assert len(client.score(FRAMES, client.describe().goal_ids[:2]).scores) == 2
    return listed[NAME]["beta"]


@pytest.fixture(scope="module")
def url(ray_session):
    yield gateway.deploy(GatewayArgs(refresh_s=0.0), app_name="gateway-of-rolled")
    for name in (NAME, "gateway-of-rolled"):
        serve.delete(name, _blocking=False)


@pytest.fixture
def good(url):
    (outcome,) = roll_out(ServeFile.parse(file()), timeout_s=60)
    assert outcome.healthy
    assert answers(url) == 0.5
    return url


MISTAKES = {
    "a misspelt key": (file(num_cpu=1), "unknown key 'num_cpu'; did you mean 'num_cpus'"),
    "a misspelt key of the reward": (file().replace("beta:", "betta:"), "betta"),
    "a missing file": (file(task_set="/no/such/tasks.yaml"), "/no/such/tasks.yaml"),
    "a bad user_config": (file(user_config={"beta": 2.0}), "beta"),
    "a misspelt user_config": (file(user_config={"bta": 0.2}), "bta"),
    "another builder": (file().replace("reward:app_builder", "rewards:app_builder"), "import_path"),
    "no YAML": ("a: [", "expected"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_file_is_refused_before_a_cluster_is_asked(mistake, tmp_path, monkeypatch):
    text, reason = MISTAKES[mistake]
    monkeypatch.setattr(deploy, "_by_job", lambda *_: pytest.fail("it was submitted"))
    path = tmp_path / "serve.yaml"
    path.write_text(text)
    result = CliRunner().invoke(deploy.app, [str(path), "--address", "http://127.0.0.1:9"])
    assert result.exit_code == 2
    assert result.output.startswith("error: ")
    assert reason in " ".join(result.output.split())


@pytest.mark.parametrize("name", ["ladder.yaml", "ladder-gpu.yaml", "pocket.yaml", "gateway.yaml"])
def test_every_file_that_we_ship_can_be_deployed(name):
    result = CliRunner().invoke(deploy.app, [str(ROOT / "serve_deployments" / name), "--dry-run"])
    assert result.exit_code == 0, result.output


def test_thresholds_change_without_a_restart(good):
    before = HandleTransport(NAME).replica_info(timeout_s=10).pid
    (outcome,) = roll_out(ServeFile.parse(file(user_config={"beta": 0.7})), timeout_s=60)
    assert outcome.healthy
    assert answers(good) == 0.7
    assert HandleTransport(NAME).replica_info(timeout_s=10).pid == before


@pytest.mark.budget(60)
def test_a_replica_that_cannot_start_leaves_the_old_reward_and_says_why(good):
    before = HandleTransport(NAME).replica_info(timeout_s=10).pid
    broken = ServeFile.parse(file(model="/no/such/model", beta=0.9))
    (outcome,) = roll_out(broken, timeout_s=60)
    assert (outcome.healthy, outcome.serves_before) == (False, True)
    assert "/no/such/model" in outcome.failure
    assert answers(good) == 0.5
    assert HandleTransport(NAME).replica_info(timeout_s=10).pid == before
    (row,) = (row for row in listing() if row[0] == NAME)
    assert row[1] == "serving"
    assert "/no/such/model" in row[2]
    roll_out(ServeFile.parse(file()), timeout_s=60)
    assert [row[2] for row in listing() if row[0] == NAME] == [""]


@pytest.mark.budget(60)
def test_one_that_never_served_is_taken_away(good):
    text = file(model="/no/such/model").replace(NAME, "reward-never")
    (outcome,) = roll_out(ServeFile.parse(text), timeout_s=60)
    assert (outcome.healthy, outcome.serves_before) == (False, False)
    assert "reward-never" not in {name for name, state, _ in listing() if state != "DELETING"}


class Callers:
    """Callers that ask one reward all the while, two by handle and two over HTTP, and look at what they get."""

    def __init__(self, name, url):
        self.clients = [RewardClient(transport) for transport in (HandleTransport(name), HttpTransport(url, name))]
        reward = RewardModel(RewardConfig(model="fake", tau=0.1, beta=0.5), TaskSet.named("open_common_apps"))
        self.goals = [goal.id for goal in reward.task_set.goals[:2]]
        self.expected = reward.score(FRAMES, self.goals)
        self.answers = Counter()
        self.wrong = []
        self._over = threading.Event()

    def __enter__(self):
        self._threads = [
            threading.Thread(target=self._ask, args=(kind, client))
            for kind, client in zip(("handle", "HTTP") * 2, self.clients * 2, strict=True)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self, kind, client):
        while not self._over.wait(0.02):
            try:
                scores = client.score(FRAMES, self.goals).scores
            except Exception as error:
                self.wrong.append(error)
                continue
            self.answers[kind] += 1
            if not np.array_equal(scores, self.expected):
                self.wrong.append(scores)

    def more(self, number=5):
        """Waits until each kind has got so many more answers: what was deployed has been in force for that long."""
        before = Counter(self.answers)
        wait_until(lambda: all(self.answers[kind] >= before[kind] + number for kind in before))


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


@pytest.mark.budget(90)
def test_no_request_fails_while_mistakes_are_deployed_and_the_failure_is_shown_beside_the_old_reward(url, ray_session):
    """`serve deploy` and KubeRay: the file is built on the cluster, where it fails."""
    from ray.serve.schema import ServeDeploySchema

    controller = serve.context._get_global_client()._controller
    name = "reward-declared"

    def apply(text):
        schema = ServeDeploySchema.model_validate(yaml.safe_load(text.replace(NAME, name)))
        ray_session.get(controller.apply_config.remote(schema))

    def state():
        return serve.status().applications[name].status

    def failed(reason):
        return state() == "DEPLOY_FAILED" and reason in serve.status().applications[name].message

    def listed():
        """What the deploy command and the gateway say of the reward."""
        (row,) = (row for row in listing() if row[0] == name)
        assert row[1] == "serving"
        (info,) = (each for each in httpx2.get(f"{url}/v1/models", timeout=20).json()["models"] if each["name"] == name)
        assert info["beta"] == 0.5
        return row[2]

    try:
        apply(file())
        wait_until(lambda: state() == "RUNNING")
        pid = HandleTransport(name).replica_info(timeout_s=10).pid
        with Callers(name, url) as callers:
            wait_until(lambda: len(callers.answers) == 2)
            for mistake, reason in (
                (file(num_cpu=1), "num_cpu"),
                (file(task_set="/no/such/tasks.yaml"), "/no/such/tasks.yaml"),
            ):
                apply(mistake)
                wait_until(functools.partial(failed, reason))
                callers.more()
                assert reason in listed()
            # A value that replicas refuse does not end them.
            apply(file(user_config={"beta": 2.0}))
            wait_until(lambda: "beta" in listed())
            callers.more()
        assert callers.wrong == []
        stats = [client.pop_stats() for client in callers.clients]
        print(f"{dict(callers.answers)} answers, {sum(each.retries for each in stats)} retries")
        assert sum(each.failures for each in stats) == 0
        assert HandleTransport(name).replica_info(timeout_s=10).pid == pid
    finally:
        serve.delete(name, _blocking=False)


def test_a_job_carries_code_and_file_together(tmp_path, monkeypatch, capsys):
    server = JobServer("Running entrypoint: VLM_REWARDS_SERVE_FILE=YQ== python\nreward: healthy\n")
    monkeypatch.setattr("ray.job_submission.JobSubmissionClient", server)
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    path = tmp_path / "mine.yaml"
    path.write_text(file())
    result = CliRunner().invoke(deploy.app, [str(path), "--address", "http://head:8265"])
    assert result.exit_code == 1  # its status is not SUCCEEDED
    assert "reward: healthy" in result.output
    assert "VLM_REWARDS_SERVE_FILE" not in result.output
    sent = server.sent
    environment = sent["runtime_env"]
    assert {"serve_deployments/deploy.py", "platform/vlm_rewards/checkpoints/pocket-l/model.safetensors"} <= set(
        sent["names"]
    )
    assert environment["env_vars"]["PYTHONPATH"] == "platform"
    assert "VLM_REWARDS_SERVE_FILE" not in environment["env_vars"], "each replica would have it, and restart"
    assignment, command = sent["entrypoint"].split(" ", 1)
    assert ServeFile.parse(base64.b64decode(assignment.partition("=")[2]).decode()) == ServeFile.parse(file())
    assert command.startswith("python -m serve_deployments.deploy ")


def test_two_applications_of_one_name_are_refused():
    values = yaml.safe_load(file())
    values["applications"] *= 2
    with pytest.raises(ConfigError, match=NAME):
        ServeFile.parse(yaml.safe_dump(values))


OLD = "vlm_rewards.errors.ConfigError: unknown model '/no/such/model'"


@pytest.mark.parametrize(
    ("changes", "failures"),
    [
        ([("DEPLOYING", OLD), ("RUNNING", "")], {}),
        ([("DEPLOYING", OLD), ("DEPLOY_FAILED", OLD)], {NAME: "unknown model '/no/such/model'"}),
        ([("DEPLOYING", ""), ("DEPLOYING", OLD.replace("such", "other"))], {NAME: "unknown model '/no/other/model'"}),
    ],
)
def test_what_a_replica_of_the_change_before_says_is_not_this_changes_fault(changes, failures, monkeypatch):
    seen = iter(
        SimpleNamespace(status=status, message="", deployments={"reward": SimpleNamespace(message=message)})
        for status, message in changes
    )
    monkeypatch.setattr(rollout.serve, "status", lambda: SimpleNamespace(applications={NAME: next(seen)}))
    said = {NAME: {"", "unknown model '/no/such/model'"}}
    assert rollout._wait([NAME], said, timeout_s=20, tell=lambda line: None) == failures
