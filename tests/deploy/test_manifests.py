"""The manifests: every field is one that the cluster knows, and every command one that our programs take.

None of this runs Kubernetes: what it does with them is not tested here.
"""

import copy
import importlib
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema
from typer.testing import CliRunner

from serve_deployments import gateway, reward
from serve_deployments.gateway import GatewayArgs
from tests.deploy.schemas import CRDS, KUBERAY, ROOT, kuberay_errors, kubernetes_errors
from vlm_rewards.service.serving import RewardAppArgs

FOLDER = ROOT / "deploy" / "kubernetes"
RAY_KINDS = ("RayCluster", "RayService", "RayJob")
OVERLAYS = (".", "platform", "monitoring", "cluster", "ladder", "study", "s3")
needs_crds = pytest.mark.skipif(not CRDS.is_dir(), reason=f"KubeRay's schemas are not here: {CRDS}")
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl, which has kustomize, is not here")


def written() -> dict[str, dict[str, Any]]:
    """Every resource as its file has it, by file and name."""
    found = {}
    for path in sorted(FOLDER.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if "metadata" in document and document["kind"] not in ("Kustomization", "Component"):
                found[f"{path.relative_to(FOLDER)}:{document['kind']}/{document['metadata']['name']}"] = document
    return found


WRITTEN = written()
RAYS = {name: document for name, document in WRITTEN.items() if document["kind"] in RAY_KINDS}


def of_kind(kind: str) -> dict[str, Any]:
    (document,) = (document for document in RAYS.values() if document["kind"] == kind)
    return document


def cluster_spec(document: dict[str, Any]) -> dict[str, Any]:
    spec = document["spec"]
    return spec.get("rayClusterConfig") or spec.get("rayClusterSpec") or spec


def groups(document: dict[str, Any]) -> list[dict[str, Any]]:
    spec = cluster_spec(document)
    return [spec["headGroupSpec"], *spec["workerGroupSpecs"]]


def pods(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The specs of the pods that a resource makes."""
    if document["kind"] in RAY_KINDS:
        return [group["template"]["spec"] for group in groups(document)]
    template = document.get("spec", {}).get("template") if document["kind"] in ("Deployment", "StatefulSet") else None
    return [template["spec"]] if template else []


def rendered(overlay: str) -> list[dict[str, Any]]:
    done = subprocess.run(["kubectl", "kustomize", FOLDER / overlay], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def secrets(value: Any) -> Iterator[tuple[str, str | None]]:
    """Names and keys of the secrets that are referred to, wherever."""
    if isinstance(value, dict):
        if "secretKeyRef" in value:
            yield value["secretKeyRef"]["name"], value["secretKeyRef"]["key"]
        if "secretRef" in value:
            yield value["secretRef"]["name"], None
        for inner in value.values():
            yield from secrets(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from secrets(inner)


@needs_crds
@pytest.mark.parametrize("version", KUBERAY)
@pytest.mark.parametrize("name", RAYS)
def test_kuberay_knows_every_field(name, version):
    assert kuberay_errors(RAYS[name], version) == []


@needs_crds
@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("workerGroupSpecs", 0, "maxReplica"), 4),
        (("workerGroupSpecs", 0, "maxReplicas"), "four"),
        (("headGroupSpec", "template", "spec", "containers", 0, "volumeMount"), []),
        (("autoscalerOptions", "version"), "v3"),
    ],
)
def test_kuberays_schema_would_tell(path, value):
    document = copy.deepcopy(of_kind("RayCluster"))
    place = document["spec"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (error,) = kuberay_errors(document, KUBERAY[-1])
    assert str(path[-1]) in error


@pytest.mark.parametrize("name", [name for name in WRITTEN if name not in RAYS])
def test_kubernetes_knows_every_field(name):
    assert kubernetes_errors(WRITTEN[name]) == []
    wrong = copy.deepcopy(WRITTEN[name]) | {"speck": {}}
    assert kubernetes_errors(wrong)


@needs_kubectl
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kustomize_renders_what_the_schemas_know(overlay):
    documents = rendered(overlay)
    assert documents
    for document in documents:
        if document["kind"] in RAY_KINDS:
            if CRDS.is_dir():
                assert [kuberay_errors(document, version) for version in KUBERAY] == [[], []]
        else:
            assert kubernetes_errors(document) == []
        if document["kind"] != "Namespace":
            assert document["metadata"]["namespace"] == "vlm-rewards"
        for pod in pods(document):
            for container in pod["containers"]:
                assert "/" in container["image"] or ":" in container["image"], "an image is left without its registry"
                assert not container["image"].startswith("vlm_rewards")


@needs_kubectl
def test_grafana_gets_our_page_as_it_is():
    (pages,) = (each for each in rendered("monitoring") if each["metadata"]["name"].startswith("grafana-pages"))
    page = ROOT / "serve_deployments" / "grafana" / "reward_service.json"
    assert pages["data"] == {page.name: page.read_text()}


@pytest.mark.parametrize("name", [name for name in WRITTEN if pods(WRITTEN[name])])
def test_every_pod_is_confined_and_says_what_it_takes(name):
    for pod in pods(WRITTEN[name]):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]
            if WRITTEN[name]["kind"] not in RAY_KINDS:  # KubeRay gives Ray's nodes their probes
                assert {"readinessProbe", "livenessProbe"} <= container.keys()


def test_volumes_that_are_mounted_are_there_and_claims_are_made():
    claims = {each["metadata"]["name"] for each in WRITTEN.values() if each["kind"] == "PersistentVolumeClaim"}
    for document in WRITTEN.values():
        own = {each["metadata"]["name"] for each in document.get("spec", {}).get("volumeClaimTemplates", [])}
        for pod in pods(document):
            volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
            mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
            assert mounted == volumes.keys() | own
            named = {v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if "persistentVolumeClaim" in v}
            assert named <= claims


def test_secrets_are_named_never_written_and_the_guide_makes_each():
    assert not [name for name, document in WRITTEN.items() if document["kind"] == "Secret"]
    guide = (ROOT / "docs" / "kubernetes.md").read_text()
    made = {
        match[1]: set(re.findall(r"--from-literal=(\w+)=", match[0]))
        for match in re.finditer(r"create secret generic ([\w-]+)(?:[^\n]*\\\n)*[^\n]*", guide)
    }
    used = set(secrets(list(WRITTEN.values())))
    assert {name for name, _ in used} | {"s3"} == made.keys()
    for name, key in used:
        assert key in made[name], f"the guide's secret {name} lacks {key}"


def test_every_reference_to_mlflow_is_a_name_that_its_server_allows():
    (server,) = (each for each in WRITTEN.values() if each["kind"] == "Deployment" and "mlflow" in str(each))
    (container,) = pods(server)[0]["containers"]
    (allowed,) = (arg.partition("=")[2] for arg in container["args"] if arg.startswith("--allowed-hosts"))
    text = "".join(path.read_text() for path in FOLDER.rglob("*.yaml"))
    hosts = set(re.findall(r"http://(mlflow[\w.:-]*)", text))
    assert hosts
    from mlflow.server.security_utils import is_allowed_host_header

    assert all(is_allowed_host_header(allowed.split(","), host) for host in hosts)
    assert not is_allowed_host_header(allowed.split(","), "elsewhere:5000")


def test_mlflows_server_takes_its_arguments():
    from mlflow.cli import server

    (deployment,) = (each for each in WRITTEN.values() if each["kind"] == "Deployment" and "mlflow" in str(each))
    (container,) = pods(deployment)[0]["containers"]
    assert container["command"] == ["mlflow", "server"]
    patches = yaml.safe_load((FOLDER / "s3" / "kustomization.yaml").read_text())["patches"]
    (replaced,) = (
        p for p in yaml.safe_load(patches[0]["patch"]) if p["path"].startswith("/spec/template") and "args" in p["path"]
    )
    on_s3 = [*container["args"]]
    assert on_s3[int(replaced["path"].rsplit("/", 1)[1])].startswith("--artifacts-destination=")
    on_s3[int(replaced["path"].rsplit("/", 1)[1])] = replaced["value"]
    for args in (container["args"], on_s3):
        parsed = server.make_context("server", list(args)).params
        assert (parsed["host"], parsed["port"]) == ("0.0.0.0", 5000)


def entrypoints() -> list[str]:
    job = of_kind("RayJob")["spec"]["entrypoint"]
    patches = (FOLDER / "s3" / "kustomization.yaml").read_text()
    return [job, *re.findall(r"value: (python -m .*)", patches)]


@pytest.mark.parametrize("entrypoint", entrypoints())
def test_a_jobs_command_is_one_that_our_programs_take(entrypoint, tmp_path, monkeypatch):
    monkeypatch.setenv("VLM_REWARDS_OUTPUT", str(tmp_path))
    python, flag, module, *arguments = shlex.split(entrypoint)
    assert (python, flag) == ("python", "-m")
    result = CliRunner().invoke(importlib.import_module(module).app, [*arguments, "--dry-run"])
    assert result.exit_code == 0, result.output


def test_ray_takes_its_start_parameters_and_has_our_version():
    from ray.scripts.scripts import start

    known = {option.lstrip("-") for parameter in start.params for option in parameter.opts}
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    for document in RAYS.values():
        assert f"ray=={cluster_spec(document)['rayVersion']}" in pinned
        for group in groups(document):
            assert group["rayStartParams"].keys() <= known


def test_a_study_has_its_cpus_from_the_start_and_its_runtime_environment():
    from experiments.shared.preset_files import load_preset
    from experiments.study.study_config import StudyConfig
    from experiments.study.trials import app_cpus, plan_trials

    job = of_kind("RayJob")
    spec = job["spec"]
    assert spec["submissionMode"] == "HTTPMode"
    assert spec["preRunningDeadlineSeconds"] < spec["activeDeadlineSeconds"]
    trials = plan_trials(StudyConfig(**load_preset("studies/model_size", "smoke", [])))
    needed = app_cpus(trials) + max(trial.cpus for trial in trials)
    there = sum(
        group["minReplicas"] * float(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
        for group in groups(job)[1:]
    )
    assert needed <= there
    theirs = yaml.safe_load(spec["runtimeEnvYAML"])
    assert theirs["working_dir"].startswith("local://")
    ours = yaml.safe_load((ROOT / "runtime_env.yaml").read_text())["env_vars"]
    assert ours.items() <= theirs["env_vars"].items()


def test_the_ray_service_serves_the_ladder_where_its_probes_look():
    config = yaml.safe_load(of_kind("RayService")["spec"]["serveConfigV2"])
    schema = ServeDeploySchema.model_validate(config)
    assert (schema.proxy_location, schema.http_options.host) == ("EveryNode", "0.0.0.0")
    for pod in pods(of_kind("RayService")):
        ports = {port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]}
        assert ports["serve"] == schema.http_options.port
    first, *rest = config["applications"]
    assert first["route_prefix"] == "/"
    gateway.app_builder(GatewayArgs(**first["args"]))
    ladder = yaml.safe_load((ROOT / "serve_deployments" / "ladder.yaml").read_text())
    assert rest == ladder["applications"]
    cpus = first["args"]["replicas"] * first["args"]["num_cpus"]
    for application in rest:
        args = RewardAppArgs(**application["args"])
        reward.app_builder(args)
        cpus += args.num_cpus * args.replicas.maximum
    worker = groups(of_kind("RayService"))[1]["template"]["spec"]["containers"][0]
    assert cpus <= float(worker["resources"]["limits"]["cpu"]), "one node must be enough for the service to be Ready"


def test_prometheus_scrapes_the_port_that_rays_nodes_name():
    config = yaml.safe_load((FOLDER / "monitoring" / "prometheus_config.yaml").read_text())
    (job,) = config["scrape_configs"]
    kept = {rule["source_labels"][0]: rule["regex"] for rule in job["relabel_configs"] if rule.get("action") == "keep"}
    name = kept["__meta_kubernetes_pod_container_port_name"]
    for document in RAYS.values():
        for pod in pods(document):
            assert name in {port["name"] for port in pod["containers"][0]["ports"]}


def test_policies_name_pods_that_there_are():
    """A label that no pod has would lock out whom it should let in."""
    ours = {
        labels
        for document in WRITTEN.values()
        if document["kind"] in ("Deployment", "StatefulSet")
        for labels in document["spec"]["template"]["metadata"]["labels"].items()
    }
    theirs = {("ray.io/is-ray-node", "yes"), ("app.kubernetes.io/name", "kuberay-operator")}
    for_others = {
        ("vlm-rewards/client", "true"),
        ("vlm-rewards/reward-client", "true"),
        ("ray.io/node-type", "redis-cleanup"),
    }
    policies = [document for document in WRITTEN.values() if document["kind"] == "NetworkPolicy"]
    text = yaml.safe_dump([policy["spec"] for policy in policies])
    named = set()
    for policy in policies:
        spec = policy["spec"]
        selectors = [spec["podSelector"]]
        for rule in spec.get("ingress", []):
            for peer in rule["from"]:
                selectors += [peer.get("podSelector", {}), peer.get("namespaceSelector", {})]
        named |= {label for selector in selectors for label in selector.get("matchLabels", {}).items()}
    assert named <= ours | theirs | for_others, text


def test_documents_say_what_was_not_run():
    for path in (FOLDER / "kustomization.yaml", *FOLDER.glob("*/ray*.yaml")):
        assert "ot run on Kubernetes by us" in path.read_text(), path
    assert Path(ROOT / "docs" / "kubernetes.md").read_text().count("not run") >= 1
