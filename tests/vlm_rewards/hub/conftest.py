import huggingface_hub
import pytest
from huggingface_hub import constants

from tests.vlm_rewards.hub.fake_hub import FakeHub


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub of this machine that the real client talks to, with a cache of its own."""
    fake = FakeHub()
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, fake.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", fake.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    huggingface_hub.close_session()
    yield fake
    huggingface_hub.close_session()
    fake.close()
