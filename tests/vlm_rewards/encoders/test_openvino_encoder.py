"""What is OpenVINO's own: which runtime is chosen, compiled models between processes, silence, threads."""

import ctypes
import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from vlm_rewards.encoders import load_encoder
from vlm_rewards.encoders.checkpoint import Checkpoint
from vlm_rewards.encoders.compiled_models import cache_folder
from vlm_rewards.encoders.image_graph import ImageGraph, openvino_is_installed
from vlm_rewards.encoders.openvino_encoder import OpenVINOEncoder
from vlm_rewards.encoders.transformers_encoder import TransformersEncoder
from vlm_rewards.errors import ConfigError

pytestmark = pytest.mark.skipif(not openvino_is_installed(), reason="openvino is not installed")
FRAMES = np.random.default_rng(0).integers(0, 256, (9, 48, 32, 3), dtype=np.uint8)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VLM_REWARDS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "compiled"


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with each conversion."""
    made, convert = [], ImageGraph.converted

    def counted(self):
        made.append(self._source)
        return convert(self)

    monkeypatch.setattr(ImageGraph, "converted", counted)
    return made


def load(folder: Path) -> OpenVINOEncoder:
    return OpenVINOEncoder(Checkpoint.load(str(folder)))


def test_it_is_the_default_on_a_cpu_and_torch_is_not_far_from_it(pocket_folder):
    default, torch_encoder = load_encoder(str(pocket_folder)), load_encoder(str(pocket_folder), encoder="torch")
    assert isinstance(default, OpenVINOEncoder)
    assert isinstance(torch_encoder, TransformersEncoder)
    np.testing.assert_allclose(default.embed_images(FRAMES), torch_encoder.embed_images(FRAMES), atol=1e-5)
    np.testing.assert_array_equal(default.embed_texts(["a red square"]), torch_encoder.embed_texts(["a red square"]))
    # Their last bits differ, and so must what says that two rewards are the same.
    assert default.fingerprint != torch_encoder.fingerprint
    assert default.parts == torch_encoder.parts


def test_without_the_package_torch_is_the_default_and_asking_for_it_is_an_error(pocket_folder, monkeypatch):
    monkeypatch.setattr("vlm_rewards.encoders.image_graph.openvino_is_installed", lambda: False)
    assert isinstance(load_encoder(str(pocket_folder)), TransformersEncoder)
    with pytest.raises(ConfigError, match=r"vlm-rewards\[openvino\]', or use encoder 'torch'"):
        load_encoder(str(pocket_folder), encoder="openvino")


def test_other_devices_and_unknown_encoders_are_refused(pocket_folder):
    with pytest.raises(ConfigError, match="encoder 'openvino' runs on device 'cpu'"):
        load_encoder(str(pocket_folder), device="meta", encoder="openvino")
    with pytest.raises(ConfigError, match="there is no encoder 'onnx'; did you mean 'openvino'"):
        load_encoder(str(pocket_folder), encoder="onnx")


def test_a_compiled_model_is_kept_and_gives_the_same_bits(pocket_folder, own_cache, conversions):
    first, second = load(pocket_folder), load(pocket_folder)
    assert len(conversions) == 1
    assert second.passes.sizes == first.passes.sizes
    assert len(list(own_cache.iterdir())) == 1
    np.testing.assert_array_equal(first.embed_images(FRAMES), second.embed_images(FRAMES))


def test_other_weights_are_another_compiled_model(clip_folder, make_clip, tmp_path, own_cache, conversions):
    ours, theirs = load(clip_folder), load(make_clip(tmp_path / "other", seed=1))
    assert len(conversions) == len(list(own_cache.iterdir())) == 2
    assert np.abs(ours.embed_images(FRAMES) - theirs.embed_images(FRAMES)).max() > 1e-2


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: data[:-9] + b"\0" * 9, lambda data: b""]
)
def test_a_damaged_compiled_model_is_made_anew(pocket_folder, own_cache, conversions, damage):
    expected = load(pocket_folder).embed_images(FRAMES)
    (path,) = own_cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    np.testing.assert_array_equal(load(pocket_folder).embed_images(FRAMES), expected)
    assert len(conversions) == 2
    load(pocket_folder)
    assert len(conversions) == 2


def test_where_nothing_can_be_written_it_works_all_the_same(pocket_folder, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("VLM_REWARDS_CACHE", str(tmp_path / "file"))
    assert load(pocket_folder).embed_images(FRAMES).shape == (9, 16)
    assert "cannot be kept" in caplog.text


def test_the_cache_lies_where_the_user_keeps_caches(monkeypatch):
    monkeypatch.delenv("VLM_REWARDS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/vlm_rewards/compiled")


def test_nothing_is_reported_to_the_makers_of_openvino(pocket_folder):
    load(pocket_folder)
    assert sys.modules["openvino_telemetry"] is None
    assert "stub" in sys.modules["openvino.tools.ovc.telemetry_utils"].tm.__name__


def test_threads_may_share_an_encoder(pocket_folder):
    encoder = load(pocket_folder)
    expected = encoder.embed_images(FRAMES)
    with ThreadPoolExecutor(4) as pool:
        for rows, got in pool.map(
            lambda n: (slice(0, n), encoder.embed_images(FRAMES[:n])), [1 + i % 9 for i in range(80)]
        ):
            np.testing.assert_array_equal(got, expected[rows])


class SignalStack(ctypes.Structure):
    """`stack_t` of sigaltstack(2)."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def signal_stack_is_there() -> bool:
    """Whether this thread's stack for signals, if it has one, is memory of this process: else a signal is a crash."""
    stack = SignalStack()
    assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack)) == 0
    mapped = (line.split()[0].split("-") for line in Path("/proc/self/maps").read_text().splitlines())
    return not stack.start or any(int(begin, 16) <= stack.start < int(end, 16) for begin, end in mapped)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_encoders_that_go_in_the_order_in_which_they_came_leave_signals_a_stack(clip_folder):
    first, second = load(clip_folder), load(clip_folder)
    del first
    gc.collect()
    del second
    gc.collect()
    assert signal_stack_is_there()
