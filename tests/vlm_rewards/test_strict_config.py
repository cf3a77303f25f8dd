import re

import pytest

from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import StrictConfig, near_matches, read_yaml


class Inner(StrictConfig):
    size: int = 1


class Outer(StrictConfig):
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()


def test_good_values_pass_and_cannot_be_changed():
    outer = Outer(inner={"size": 2}, many=[{"size": 3}])
    assert outer.many[0].size == 3
    with pytest.raises(ValueError, match="frozen"):
        outer.inner = Inner()


@pytest.mark.parametrize("make", [lambda values: Outer(**values), Outer.model_validate])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"iner": {}}, "Outer.iner: unknown key 'iner'; did you mean 'inner'"),
        ({"inner": {"siz": 1}}, "unknown key 'siz'; did you mean 'size'"),
        ({"many": [{"size": "x"}]}, "Outer.many.0"),
        ({"inner": {"size": []}}, "Outer.inner.size: must be a valid integer (got [])"),
    ],
)
def test_mistakes_are_one_line_that_names_the_place(make, values, message):
    with pytest.raises(ConfigError) as caught:
        make(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_yaml_must_be_a_mapping(tmp_path):
    path = tmp_path / "x.yaml"
    for text in ("- 1", "3", "", "1: 2"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="must hold `key: value` pairs"):
            read_yaml(path)


def test_near_matches_fall_back_to_what_is_known():
    assert near_matches("gmial", ["gmail", "maps"]) == "did you mean 'gmail'?"
    assert near_matches("zzz", ["b", "a"]) == "known: a, b"
    assert near_matches("zzz", []) == "known: none"


def test_a_key_that_is_there_twice_is_refused_wherever_it_is(tmp_path):
    path = tmp_path / "x.yaml"
    for text in ("a: 1\nb: 2\na: 3\n", "outer: {inner: {a: 1, a: 2}}\n", "list: [{a: 1, a: 1}]\n"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="the key 'a' is there twice"):
            read_yaml(path)
    path.write_text("base: &base {a: 1}\nother: {<<: *base, a: 2}\nagain: {a: 1}\n")
    assert read_yaml(path)["other"] == {"a": 2}


def test_errors_speak_of_settings_and_not_of_the_library_behind_them():
    class Union(StrictConfig):
        value: int | tuple[int, ...] | Inner = 1

    for make in (
        lambda: Union(value="x"),
        lambda: Outer(inner=3),
        lambda: Outer(many={"a": 1}),
        lambda: Outer(many=[3]),
    ):
        with pytest.raises(ConfigError) as caught:
            make()
        assert not re.search(r"Input should|pydantic|function-|type=|https?://|instance of", str(caught.value))
