"""The rules of the API reference: the whole library keeps them, and each can be broken."""

import pytest

from scripts.site.check_reference import Library, faults_of, main

GOOD = '''
"""A module."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass
class Reward:
    """A reward.

    Attributes:
        tau: Temperature, above 0.
        frames: uint8 (N, H, W, 3).
    """

    tau: float
    frames: np.ndarray

    def score(self, texts: npt.NDArray[np.float32], timeout_s: float) -> npt.NDArray[np.float32]:
        """Return p(goal), float32 (N,).

        Args:
            texts: (K, D), rows of length 1.
            timeout_s: Time for all.

        Raises:
            KeyError: No texts.
        """
        self._check(texts)
        return texts

    def _check(self, texts):
        try:
            raise ValueError("caught here")
        except ValueError:
            pass
        if not len(texts):
            raise KeyError("none")


class Same(Reward):
    """Another."""

    def score(self, texts: npt.NDArray[np.float32], timeout_s: float) -> npt.NDArray[np.float32]:
        """Return it more slowly."""
        return super().score(texts, timeout_s)


class Client:
    """Not one of its classes, but alike."""

    def score(self, texts: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Ask for it; see `Reward.score`."""
        raise LookupError
'''


def rules_broken(source):
    return [(fault.rule, fault.name) for fault in faults_of(Library({"made": source}), "made")]


def test_the_reference_has_all_that_it_should(capsys):
    assert main([]) == 0, capsys.readouterr().out
    words = capsys.readouterr().out.split()
    assert words[0] == words[2]
    assert int(words[2]) > 1500, "public names went missing from what is checked"


def test_what_keeps_the_rules_is_not_blamed():
    assert rules_broken(GOOD.replace("raise LookupError", "raise KeyError")) == []


@pytest.mark.parametrize(
    ("old", "new", "rule", "name"),
    [
        ('"""A module."""', "", "docstring", "made"),
        ('"""Another."""', "pass", "docstring", "made.Same"),
        ('        """Return it more slowly."""\n', "", "docstring", "made.Same.score"),
        ("        tau: Temperature, above 0.\n", "", "field", "made.Reward.tau"),
        ("Temperature, above 0.", "How sharply goals compete.", "unit", "made.Reward.tau"),
        ("uint8 (N, H, W, 3)", "uint8", "shape", "made.Reward.frames"),
        ("uint8 (N, H, W, 3)", "(N, H, W, 3)", "dtype", "made.Reward.frames"),
        ("(K, D), rows of length 1.", "Rows of length 1.", "shape", "made.Reward.score(texts)"),
        ("(K, D), rows of length 1.", "(K, D) embeddings.", "unit", "made.Reward.score(texts)"),
        ("p(goal), float32 (N,)", "p(goal)", "shape", "made.Reward.score()"),
        ("timeout_s", "patience", "unit", "made.Reward.score(patience)"),
        ("KeyError: No texts.", "TypeError: No texts.", "raises", "made.Reward.score"),
        ("except ValueError", "except TypeError", "raises", "made.Reward.score"),
        ("see `Reward.score`", "as a reward does", "shape", "made.Client.score(texts)"),
        ("raise LookupError", "raise OSError", "raises", "made.Client.score"),
    ],
)
def test_each_rule_can_be_broken(old, new, rule, name):
    assert old in GOOD
    assert (rule, name) in rules_broken(GOOD.replace(old, new))
