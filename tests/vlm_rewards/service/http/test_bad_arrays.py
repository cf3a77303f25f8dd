"""Binary bodies that hold something else than frames."""

import io
import os
import pickle

import numpy as np
import pytest

from tests.vlm_rewards.service.http.requests_for_tests import FRAMES, META, QUERY, raw, refused, safetensors
from vlm_rewards.service.http.wire import pack


class Boom:
    """Leaves a trace where it is unpickled."""

    def __reduce__(self):
        return (eval, ("__import__('os').environ.__setitem__('VLM_REWARDS_PWNED', '1')",))


def npy(array, allow_pickle):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def tensor(dtype="U8", shape=(2, 16, 16, 3), ends=(0, 1536), metadata=META):
    header = {"frames": {"dtype": dtype, "shape": list(shape), "data_offsets": list(ends)}}
    return header if metadata is None else {**header, "__metadata__": metadata}


def twice(more, before):
    """A good body whose header has one more entry, before another of that name."""
    whole = pack({"frames": FRAMES}, QUERY)
    length = int.from_bytes(whole[:8], "little")
    header, data = whole[8 : 8 + length].rstrip(), whole[8 + length :]
    header = header.replace(before, more + b"," + before, 1)
    return len(header).to_bytes(8, "little") + header + data


BINARY = {
    "NaN frames": (pack({"frames": np.full((1, 8, 8, 3), np.nan, np.float32)}, QUERY), 422, "invalid_frames"),
    "float64 frames": (pack({"frames": FRAMES.astype(np.float64)}, QUERY), 422, "invalid_frames"),
    "signed frames": (pack({"frames": FRAMES.astype(np.int8)}, QUERY), 422, "invalid_frames"),
    "no batch axis": (pack({"frames": FRAMES[0]}, QUERY), 422, "invalid_frames"),
    "channels first": (pack({"frames": FRAMES.transpose(0, 3, 1, 2)}, QUERY), 422, "invalid_frames"),
    "four channels": (pack({"frames": np.zeros((1, 8, 8, 4), np.uint8)}, QUERY), 422, "invalid_frames"),
    "one pixel": (pack({"frames": FRAMES[:, :1, :1]}, QUERY), 422, "invalid_frames"),
    "a line": (pack({"frames": np.zeros((1, 20_000, 1, 3), np.uint8)}, QUERY), 422, "invalid_frames"),
    "a broad line": (pack({"frames": np.zeros((1, 20_000, 4, 3), np.uint8)}, QUERY), 413, "too_large"),
    "too many frames": (pack({"frames": np.zeros((65, 8, 8, 3), np.uint8)}, QUERY), 413, "too_large"),
    "no pixels": (pack({"frames": np.zeros((1, 0, 8, 3), np.uint8)}, QUERY), 422, "invalid_frames"),
    "another tensor": (pack({"images": FRAMES}, QUERY), 422, "invalid_frames"),
    "a second tensor": (pack({"frames": FRAMES, "more": FRAMES}, QUERY), 422, "invalid_frames"),
    "no tensor": (pack({}, QUERY), 422, "invalid_frames"),
    "no goals": (pack({"frames": FRAMES}, {"model": "six"}), 422, "invalid_request"),
    "no metadata": (safetensors(tensor(metadata=None), bytes(1536)), 422, "invalid_request"),
    "metadata that is no json": (safetensors(tensor(metadata={"model": "six"}), bytes(1536)), 400, "invalid_body"),
    "metadata of numbers": (safetensors(tensor(metadata={"model": 6}), bytes(1536)), 400, "invalid_body"),
    "metadata that is a list": (safetensors(tensor(metadata=["six"]), bytes(1536)), 400, "invalid_body"),
    "too little data": (safetensors(tensor(), bytes(1535)), 400, "invalid_body"),
    "too much data": (safetensors(tensor(), bytes(1537)), 400, "invalid_body"),
    "a shape that lies": (safetensors(tensor(shape=(2, 16, 16, 4)), bytes(1536)), 400, "invalid_body"),
    "a shape that overflows": (safetensors(tensor(shape=(2**33, 2**33, 2, 3)), bytes(1536)), 400, "invalid_body"),
    "negative offsets": (safetensors(tensor(ends=(-1, 1535)), bytes(1536)), 400, "invalid_body"),
    "objects as dtype": (safetensors(tensor(dtype="O"), bytes(1536)), 400, "invalid_body"),
    "brain floats": (safetensors(tensor(dtype="BF16", ends=(0, 3072)), bytes(3072)), 400, "invalid_body"),
    "a header length of 2^64": (b"\xff" * 8 + b"{}", 400, "invalid_body"),
    "a long header": (safetensors(b" " * (2**20 + 1)), 413, "too_large"),
    "a header of nesting": (safetensors(b"[" * 100_000), 400, "invalid_body"),
    "a header that is no object": (safetensors(b"[1,2]", bytes(10)), 400, "invalid_body"),
    "nothing": (b"", 400, "invalid_body"),
    "an object array as npy": (npy(np.array([Boom()], object), True), 400, "invalid_body"),
    "a good npy": (npy(FRAMES, False), 400, "invalid_body"),
    "a pickle": (pickle.dumps(Boom()), 400, "invalid_body"),
    "10,000 goals": (pack({"frames": FRAMES}, {**QUERY, "goals": ["app1"] * 10_000}), 413, "too_large"),
    "goals twice": (twice(b'"goals":"[\\"app2\\"]"', b'"goals"'), 400, "invalid_body"),
    "frames twice": (
        twice(b'"frames":{"dtype":"U8","shape":[1,8,8,3],"data_offsets":[0,192]}', b'"frames"'),
        400,
        "invalid_body",
    ),
    "an unknown goal": (pack({"frames": FRAMES}, {**QUERY, "goals": ["app9"]}), 422, "invalid_argument"),
}


@pytest.mark.parametrize("name", BINARY)
def test_bad_arrays(http, still_serves, name, monkeypatch):
    monkeypatch.delenv("VLM_REWARDS_PWNED", raising=False)
    body, status, code = BINARY[name]
    refused(raw(http, body), status, code)
    assert "VLM_REWARDS_PWNED" not in os.environ
    still_serves()
