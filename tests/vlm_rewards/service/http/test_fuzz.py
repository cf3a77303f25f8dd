"""Good requests with some bytes changed: never a failure of the gateway."""

import base64

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vlm_rewards.service.http.requests_for_tests import (
    FRAME,
    FRAMES,
    GOOD,
    QUERY,
    image_text,
    raw,
    refused,
    score,
)
from vlm_rewards.service.http.wire import pack

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WHOLE = pack({"frames": FRAMES}, QUERY)


@FUZZ
@given(data=st.data())
def test_fuzzed_binary_bodies_never_fail_the_gateway(http, data):
    """A good body with some of its bytes changed, cut or repeated."""
    body = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 220) | st.integers(0, len(WHOLE)))
        cut = data.draw(st.integers(0, 9))
        body[at : at + cut] = data.draw(st.binary(max_size=9) | st.sampled_from([b"{}", b"-1", b"9e99", b'"', b"[["]))
    answer = raw(http, bytes(body))
    assert answer.status_code in (200, 400, 404, 413, 422), answer.text
    if answer.status_code != 200:
        refused(answer, answer.status_code, answer.json()["error"]["code"])


@FUZZ
@given(data=st.data())
def test_fuzzed_image_files_never_fail_the_gateway(http, data):
    whole = base64.b64decode(data.draw(st.sampled_from([GOOD, image_text(FRAME, "JPEG")])))
    body = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole)))
        body[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    answer = score(http, images=[base64.b64encode(bytes(body)).decode()])
    assert answer.status_code in (200, 413, 422), answer.text
