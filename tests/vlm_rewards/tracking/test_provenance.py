"""Which code a run came from."""

import subprocess

from vlm_rewards.tracking.provenance import COMMIT_VARIABLE, git_commit


def git(folder, *arguments):
    who = ["-c", "user.name=someone", "-c", "user.email=someone@example.com"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_checkout_says_its_commit_and_whether_files_differ(tmp_path, monkeypatch):
    monkeypatch.setenv(COMMIT_VARIABLE, "of something else")
    file = tmp_path / "code.py"
    file.write_text("1")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-q", "-m", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert git_commit(tmp_path) == commit
    file.write_text("2")
    assert git_commit(tmp_path) == f"{commit}-dirty"


def test_code_without_its_history_says_what_it_was_told(tmp_path, monkeypatch):
    monkeypatch.delenv(COMMIT_VARIABLE, raising=False)
    assert git_commit(tmp_path) == "unknown"
    monkeypatch.setenv(COMMIT_VARIABLE, "0123abcd")
    assert git_commit(tmp_path) == "0123abcd"
