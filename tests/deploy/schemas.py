"""Kubernetes' own schemas and KubeRay's, in which a field that they do not know is an error."""

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parents[2]
CRDS = ROOT.parent / "shared" / "kuberay-crds"
KUBERAY = ("v1.6.2", "v1.7.0")
KUBERNETES = "1.33"


@cache
def kuberay_validator(version: str, kind: str) -> jsonschema.Draft7Validator:
    """Return the validator of one of KubeRay's kinds."""
    with gzip.open(CRDS / f"{version}-{kind.lower()}s.yaml.gz") as file:
        definition = yaml.load(file, yaml.CSafeLoader)
    (schema,) = (each["schema"]["openAPIV3Schema"] for each in definition["spec"]["versions"] if each["name"] == "v1")
    return jsonschema.Draft7Validator(strict(schema))


def strict(schema: Any) -> Any:
    """Return a schema that refuses what it does not name; Kubernetes' API server would drop it without a word."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema and "additionalProperties" not in schema:
        schema["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    return schema


def kuberay_errors(document: dict[str, Any], version: str) -> list[str]:
    """Return what KubeRay's schema has against a document, with the place of each."""
    errors = kuberay_validator(version, document["kind"]).iter_errors(document)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in errors]


def kubernetes_errors(document: dict[str, Any]) -> list[str]:
    """Return what Kubernetes' schema has against a document of its own kinds."""
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.path))}: {error.message[:200]}"]
    return []
