"""Addresses that open a run in MLflow's page."""

from urllib.parse import quote

#: Where `mlflow ui` serves a store of this machine, unless it is told otherwise.
LOCAL_PAGE = "http://127.0.0.1:5000"
#: The view of an experiment's runs, with the columns that matter, that `open_experiment` keeps as a tag.
VIEW = "vlm_rewards"
# Without it MLflow 3.17 shows an experiment's traces.
_KIND = "workflowType=machine_learning"


def runs_path(experiment_id: str) -> str:
    """Return the path of an experiment's runs within MLflow's page.

    Args:
        experiment_id: MLflow's id of the experiment.
    """
    return f"#/experiments/{quote(experiment_id)}/runs?{_KIND}&viewStateShareKey={VIEW}"


def run_address(uri: str, experiment_id: str, run_id: str) -> str:
    """Return the address of a run in MLflow's page.

    Args:
        uri: Tracking URI of the store. A server's page is at its own address; any other store's is at `LOCAL_PAGE`,
            while `serving_command` runs.
        experiment_id: MLflow's id of the experiment.
        run_id: MLflow's id of the run.
    """
    page = uri.rstrip("/") if uri.startswith(("http://", "https://")) else LOCAL_PAGE
    return f"{page}/#/experiments/{quote(experiment_id)}/runs/{quote(run_id)}?{_KIND}"


def serving_command(uri: str) -> str | None:
    """Return the command that serves the page of a store which is no server; None for a server.

    Args:
        uri: Tracking URI of the store.
    """
    return None if uri.startswith(("http://", "https://", "databricks")) else f"mlflow ui --backend-store-uri {uri}"


def where_to_look(uri: str, experiment_id: str, run_id: str) -> str:
    """Return one line that says how a person opens a run.

    Args:
        uri: Tracking URI of the store.
        experiment_id: MLflow's id of the experiment.
        run_id: MLflow's id of the run.
    """
    if uri.startswith("databricks"):
        return f"MLflow: run {run_id} of experiment {experiment_id} in {uri}"
    address, command = run_address(uri, experiment_id, run_id), serving_command(uri)
    return f"MLflow: {address}" + (f"  while this runs: {command}" if command else "")
