"""Which precisions a record lets through: none that differs too often, and none of another model or tower."""

import json

import pytest

from vlm_rewards.encoders.proof.agreement import AgreementRecord, PrecisionAgreement, RewardAgreement
from vlm_rewards.errors import SelfCheckError

PARTS = {"weights": "w", "tokenizer": "t"}


def reward(key: str = "k", differing: int = 0, ap: float = 0.8) -> RewardAgreement:
    return RewardAgreement(
        reward="find",
        key=key,
        dataset="d",
        frames=2000,
        rewarded=90,
        differing=differing,
        average_precision=ap,
        fp32_average_precision=0.8,
    )


def record(*rewards: RewardAgreement, precision: str = "bf16", graph: str = "") -> AgreementRecord:
    found = PrecisionAgreement(runtime="openvino", precision=precision, graph=graph, rewards=rewards)
    return AgreementRecord(parts=PARTS).with_agreement(found)


@pytest.mark.parametrize(
    ("differing", "ap", "passed"),
    [(0, 0.8, True), (2, 0.8, True), (3, 0.8, False), (0, 0.8019, True), (0, 0.797, False), (0, float("nan"), False)],
)
def test_a_reward_agrees_in_999_of_1000_frames_and_in_average_precision(differing, ap, passed):
    assert reward(differing=differing, ap=ap).passed is passed
    assert record(reward(differing=differing, ap=ap)).passed("openvino", PARTS) == (("bf16",) if passed else ())


def test_a_reward_is_judged_by_its_own_comparison_and_an_unknown_one_by_all():
    found = record(reward("fine"), reward("not", differing=9))
    assert found.passed("openvino", PARTS, reward="fine") == ("bf16",)
    for unlucky in ("not", "never compared", ""):
        assert found.passed("openvino", PARTS, reward=unlucky) == ()


def test_what_was_found_of_other_weights_runtimes_and_towers_says_nothing():
    found = record(reward(), precision="int8", graph="g")
    assert found.passed("openvino", PARTS, "g") == ("int8",)
    assert found.passed("openvino", PARTS, "h") == ()
    assert found.passed("openvino", PARTS) == ()
    assert found.passed("torch", PARTS, "g") == ()
    assert found.passed("openvino", {**PARTS, "weights": "v"}, "g") == ()


def test_a_record_is_read_as_it_was_written_and_a_new_comparison_replaces_the_old(tmp_path):
    assert AgreementRecord.read(tmp_path) is None
    found = record(reward(differing=9)).with_agreement(record(reward(), precision="int8", graph="g").precisions[0])
    found.write(tmp_path)
    assert AgreementRecord.read(tmp_path) == found
    again = found.with_agreement(record(reward()).precisions[0])
    assert len(again.precisions) == 2
    assert again.passed("openvino", PARTS, "g") == ("bf16", "int8")


def test_a_damaged_record_is_an_error_and_no_permission(tmp_path):
    record(reward()).write(tmp_path)
    path = tmp_path / "agreement.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "unknown": 1}))
    with pytest.raises(SelfCheckError, match=r"agreement\.json is damaged"):
        AgreementRecord.read(tmp_path)
