"""Where a command's results come from, as MLflow tags."""

from functools import lru_cache
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]


def provenance() -> dict[str, str]:
    """Return tags that name the commit of this code and the versions of its libraries."""
    return dict(_found())


@lru_cache(maxsize=1)
def _found() -> dict[str, str]:
    # Imported here: the room of tracking imports MLflow.
    from vlm_rewards.tracking.provenance import provenance_tags

    return provenance_tags(_REPOSITORY)
