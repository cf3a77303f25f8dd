"""Encoders that misbehave on cue; they travel to replicas by value."""

import sys
import time

import numpy as np
from ray import cloudpickle

from vlm_rewards.encoders import FakeEncoder

cloudpickle.register_pickle_by_value(sys.modules[__name__])

# The brightness of a frame's first pixel that sets it off.
NAN, CRASH, SLEEP = 251, 252, 253


class CueEncoder(FakeEncoder):
    """Returns NaN for a frame that begins with NAN, raises at one with CRASH, and takes 3 s over one with SLEEP."""

    def embed_images(self, frames):
        cues = frames[:, 0, 0, 0]
        if (cues == SLEEP).any():
            time.sleep(3)
        if (cues == CRASH).any():
            raise RuntimeError("CUDA error: device-side assert triggered")
        embeddings = super().embed_images(frames)
        embeddings[cues == NAN] = np.nan
        return embeddings


class BrokenEncoder(FakeEncoder):
    """Fails as soon as it is used, as on a machine that lacks a library."""

    def embed_texts(self, texts):
        raise OSError("libcudnn.so.9: cannot open shared object file")
