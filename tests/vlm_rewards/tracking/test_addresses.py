"""Addresses of runs, for stores that are servers and stores that need one."""

import pytest

from vlm_rewards.tracking.addresses import run_address, serving_command, where_to_look


@pytest.mark.parametrize(
    ("uri", "page", "command"),
    [
        (
            "sqlite:////data/mlflow.db",
            "http://127.0.0.1:5000",
            True,
        ),
        (
            "postgresql://mlflow@db/mlflow",
            "http://127.0.0.1:5000",
            True,
        ),
        (
            "https://host.example/mlflow/",
            "https://host.example/mlflow",
            False,
        ),
    ],
)
def test_a_run_is_found(uri, page, command):
    address = f"{page}/#/experiments/3/runs/abc?workflowType=machine_learning"
    assert run_address(uri, "3", "abc") == address
    assert serving_command(uri) == (f"mlflow ui --backend-store-uri {uri}" if command else None)
    assert address in where_to_look(uri, "3", "abc")
    assert ("mlflow ui" in where_to_look(uri, "3", "abc")) == command


def test_what_has_no_page_of_its_own_is_named():
    assert where_to_look("databricks", "3", "abc") == "MLflow: run abc of experiment 3 in databricks"
