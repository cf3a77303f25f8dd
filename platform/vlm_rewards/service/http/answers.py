"""Answers as JSON, written row by row: one call for all of them would keep every other request waiting."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    from fastapi.responses import Response


from vlm_rewards.service.http.admission import Share
from vlm_rewards.service.http.wire import JSON

# Bytes of a number in the text, with its comma.
_NUMBER_BYTES = 24


def json_answer(
    values: Mapping[str, Any], arrays: Mapping[str, np.ndarray], headers: Mapping[str, str], share: Share
) -> Response:
    """Return the answer.

    Args:
        values: JSON values by key.
        arrays: float32 (n,) or (n, m), by key; finite.
        headers: To send beside it.
        share: Takes the text while it is made.

    Raises:
        AbandonedError: The request has ended.
        HttpError: No room for the text.
    """
    share.hold(2 * _NUMBER_BYTES * sum(array.size for array in arrays.values()))
    with share.working():
        members = [f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
        members += [f"{json.dumps(name)}:{_text(array, share)}" for name, array in arrays.items()]
        content = ("{" + ",".join(members) + "}").encode()
    return Response(content, media_type=JSON, headers=dict(headers))


def _text(array: np.ndarray, share: Share) -> str:
    if array.ndim < 2:
        return json.dumps(array.tolist(), allow_nan=False, separators=(",", ":"))
    rows = []
    for row in array:
        share.check()
        rows.append(_text(row, share))
    return "[" + ",".join(rows) + "]"
