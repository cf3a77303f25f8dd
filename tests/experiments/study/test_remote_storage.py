"""A storage that is away: waited for where it may be back, told at once where it is a disk's own word."""

import errno

import pytest

from experiments.study import remote_storage
from experiments.study.remote_storage import PATIENCE_S, outlasting


class Storage:
    """Fails some times, each attempt taking ten seconds of a clock that the test owns."""

    def __init__(self, failures, error, monkeypatch):
        self.left, self.error, self.now = failures, error, 0.0
        monkeypatch.setattr(remote_storage.time, "monotonic", lambda: self.now)

    def copy(self):
        self.now += 10
        if self.left:
            self.left -= 1
            raise self.error
        return "copied"

    def sleep(self, seconds):
        self.now += seconds


def test_a_minute_without_an_object_store_is_outlasted_and_said_once_each_way(monkeypatch, caplog):
    storage = Storage(5, OSError("When uploading part: AWS Error NETWORK_CONNECTION: timeout"), monkeypatch)
    assert outlasting(storage.copy, storage.sleep) == "copied"
    assert storage.now > 60
    assert [record.getMessage()[:43] for record in caplog.records] == [
        "the study's storage does not answer: the tr",
        f"the study's storage answers again, after {storage.now:.0f} s"[:43],
    ]


def test_one_that_stays_away_fails_the_trial_in_the_end(monkeypatch):
    storage = Storage(10**6, OSError("AWS Error NETWORK_CONNECTION"), monkeypatch)
    with pytest.raises(OSError, match="NETWORK_CONNECTION"):
        outlasting(storage.copy, storage.sleep)
    assert PATIENCE_S < storage.now < PATIENCE_S + 60


def test_a_full_disk_is_told_at_once(monkeypatch):
    storage = Storage(10**6, OSError(errno.ENOSPC, "No space left on device"), monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        outlasting(storage.copy, storage.sleep)
    assert storage.now == 10
