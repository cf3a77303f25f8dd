"""A process of its own that times an image tower, and may die of it: python -c THIS GRAPH HINT SECONDS.

It is run as a string, knows nothing of this package and imports OpenVINO alone, so that it is over in about a second.
It prints the least processor time that a frame took, in seconds: others' load on the machine hardly changes that.
"""

import sys
import time
from typing import Any, cast

cast(dict[str, Any], sys.modules)["openvino_telemetry"] = None

import numpy as np  # noqa: E402
import openvino as ov  # noqa: E402

_MOST_FRAMES = 16


def main(graph: str, hint: str, seconds: float) -> None:
    """Compile and times.

    Args:
        graph: Path of an OpenVINO model from frames, uint8 (n, H, W, 3), to embeddings.
        hint: Precision of what is not quantised, as OpenVINO calls it.
        seconds: To spend on timing; the frames of one pass are halved until a pass fits twice.
    """
    model = ov.Core().read_model(graph)
    height, width = (int(dimension.get_length()) for dimension in list(model.input(0).partial_shape)[1:3])
    options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    request = ov.Core().compile_model(model, "CPU", options).create_infer_request()
    frames = np.random.default_rng(0).integers(0, 256, (_MOST_FRAMES, height, width, 3), dtype=np.uint8)

    def timed(count: int) -> float:
        start = time.process_time()
        request.infer([frames[:count]], share_inputs=True)
        return (time.process_time() - start) / count

    timed(1)
    count, best, end = _MOST_FRAMES, timed(1), time.process_time() + seconds
    while count > 1 and best * count > seconds / 2:
        count //= 2
    timed(count)
    while time.process_time() < end:
        best = min(best, timed(count))
    print(best)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
