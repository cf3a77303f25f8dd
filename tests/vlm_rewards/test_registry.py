from typing import Literal

import pytest

from vlm_rewards.errors import ConfigError
from vlm_rewards.registry import Registry
from vlm_rewards.strict_config import StrictConfig


class Circle(StrictConfig):
    kind: Literal["circle"] = "circle"
    radius: float = 1.0


class Square(StrictConfig):
    kind: Literal["square"] = "square"
    side: float = 1.0


def test_a_mapping_becomes_what_its_key_says():
    shapes = Registry("shape", "kind", Circle, Square)
    assert list(shapes) == ["circle", "square"]
    assert shapes.parse({"kind": "square", "side": 2}) == Square(side=2)
    assert shapes.parse(Circle()) == Circle()
    with pytest.raises(ConfigError, match="shape lacks its kind; known: circle, square"):
        shapes.parse({"side": 2})
    with pytest.raises(ConfigError, match="no shape 'squire'; did you mean 'square'"):
        shapes.parse({"kind": "squire"})


def test_a_new_kind_is_known_once_it_is_added():
    shapes = Registry("shape", "kind", Circle, default="circle")

    @shapes.add
    class Hexagon(StrictConfig):
        kind: Literal["hexagon"] = "hexagon"
        sides: int = 6

    assert shapes.parse({"kind": "hexagon"}) == Hexagon()
    assert shapes.parse({"radius": 3}) == Circle(radius=3)


def test_two_kinds_of_one_name_and_kinds_without_a_name_are_mistakes_of_the_program():
    shapes = Registry("shape", "kind", Circle)

    class Ring(StrictConfig):
        kind: Literal["circle"] = "circle"

    with pytest.raises(ValueError, match="already a shape 'circle'"):
        shapes.add(Ring)
    with pytest.raises(ValueError, match="must have the shape's name as its default"):
        shapes.add(StrictConfig)
