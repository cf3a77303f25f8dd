"""The RayService's file, declared as KubeRay does: its endpoints exist on nodes with addresses of their own.

KubeRay puts `serveConfigV2` to the head's dashboard, waits until all applications are RUNNING, and takes those pods for
endpoints whose proxies answer on port 8000.
"""

import json
import time

import pytest
import yaml

from tests.cluster.rig import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(900), pytest.mark.budget(800)]
_HTTP = """
import os, sys, urllib.request
method, url, body, token = sys.argv[1:]
headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ[token]}"}
request = urllib.request.Request(url, body.encode() or None, headers, method=method)
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""
_SERVE_STATUS = "import sys; from ray.serve.scripts import cli; cli(['status', '--address', sys.argv[1]])"


def test_the_rayservice_of_the_ladder_gets_endpoints_which_list_and_score(rig):
    manifest = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "ladder" / "rayservice.yaml").read_text())
    config = yaml.safe_load(manifest["spec"]["serveConfigV2"])
    applications = f"{rig.jobs}/api/serve/applications/"

    def http(method, url, body="", token="RAY_AUTH_TOKEN"):
        return rig.outside.python(_HTTP, method, url, body, token)

    begin = time.monotonic()
    http("PUT", applications, json.dumps(config))
    try:
        while True:
            found = json.loads(http("GET", applications))["applications"]
            states = {name: application["status"] for name, application in found.items()}
            if len(states) == len(config["applications"]) and set(states.values()) == {"RUNNING"}:
                break
            assert "DEPLOY_FAILED" not in states.values(), found
            assert time.monotonic() - begin < 500, states
            time.sleep(2)
        print(f"{len(states)} applications RUNNING after {time.monotonic() - begin:.0f} s")

        # What KubeRay's probes of a pod ask, and then what a caller asks of the service: any endpoint will do.
        endpoints = {}
        for node in rig.nodes:
            try:
                endpoints[node.address] = http("GET", f"http://{node.address}:8000/-/healthz").strip()
            except AssertionError as error:
                print(f"{node.address} is no endpoint: {str(error).strip().splitlines()[-1]}")
        print(f"endpoints: {endpoints}")
        assert set(endpoints.values()) == {"success"}
        assert len(endpoints) >= 2
        rewards = {each["name"] for each in config["applications"]} - {"gateway"}
        for address in endpoints:
            models = json.loads(http("GET", f"http://{address}:8000/v1/models", "", "VLM_REWARDS_TOKENS"))["models"]
            assert {model["name"] for model in models} == rewards

        # Ray's own command, which imports the policies that it reads of: it needs the library on its path.
        shown = yaml.safe_load(rig.outside.python(_SERVE_STATUS, rig.jobs))["applications"]
        assert {name: each["status"] for name, each in shown.items()} == states
    finally:
        http("DELETE", applications)
