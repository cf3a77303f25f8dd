"""Folders to and from the hub; what can go wrong on the way is one line."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    RevisionResolutionError,
)

import vlm_rewards
from vlm_rewards.errors import ConfigError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?")


def is_hub_id(source: str) -> bool:
    """Tell whether a text may be a hub id, `owner/name` or `owner/name@revision`."""
    return _HUB_ID.fullmatch(source) is not None and ".." not in source


def fetch(
    source: str | Path,
    files: Sequence[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
) -> Path:
    """Return the folder that a source means: itself, or the hub's files in their cache on this machine.

    Args:
        source: A folder (`~` is the user's), or a hub id, `owner/name` or `owner/name@revision`.
        files: Patterns of the files that are wanted of a repository; others stay where they are.
        revision: Branch, tag or commit of the repository, instead of that in `source`.
        token: Hub token; None takes the one that `hf auth login` has stored.
        cache_dir: Folder of downloads; None takes the hub's own.
        local_files_only: Ask nothing of the network.
        force_download: Fetch again what is there already.

    Raises:
        ConfigError: Neither a folder nor a hub id, or a repository that cannot be had.
    """
    text = os.path.expanduser(str(source))
    if os.path.isdir(text):
        return Path(text)
    if not is_hub_id(text):
        raise ConfigError(f"{str(source)[:200]!r} is neither a folder here nor a hub id such as owner/name")
    repo_id, _, named = text.partition("@")
    with _clear_errors(f"{text} cannot be had from the hub"):
        return Path(
            snapshot_download(
                repo_id,
                revision=revision or named or None,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                force_download=force_download,
                allow_patterns=list(files),
                library_name="vlm_rewards",
                library_version=vlm_rewards.__version__,
            )
        )


def push_folder(
    folder: Path,
    repo_id: str,
    *,
    commit_message: str,
    private: bool | None = None,
    token: str | bool | None = None,
    branch: str | None = None,
    create_pr: bool = False,
) -> str:
    """Upload a folder to a model repository of the hub, which is made where there is none.

    Args:
        folder: All of it is uploaded.
        repo_id: `owner/name`.
        commit_message: First line of the commit.
        private: Whether a new repository is private; None takes the owner's default.
        token: Hub token; None takes the one that `hf auth login` has stored.
        branch: To commit to, made where there is none; None takes `main`.
        create_pr: Open a pull request instead of committing.

    Returns:
        Address of the commit, or of the pull request.

    Raises:
        ConfigError: The id cannot be used, nobody is logged in, or the hub refuses.
    """
    if not is_hub_id(repo_id) or "@" in repo_id:
        raise ConfigError(f"{repo_id[:200]!r} is no hub id; write it as owner/name")
    api = HfApi(token=token, library_name="vlm_rewards", library_version=vlm_rewards.__version__)
    with _clear_errors(f"{repo_id} cannot be written on the hub"):
        api.create_repo(repo_id, private=private, exist_ok=True)
        if branch is not None:
            api.create_branch(repo_id, branch=branch, exist_ok=True)
        done = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            commit_message=commit_message,
            revision=branch,
            create_pr=create_pr,
        )
    return str(done.pr_url or done.commit_url)


@contextmanager
def _clear_errors(what: str) -> Iterator[None]:
    """Turn what the hub's client raises into one line with a way out."""
    try:
        yield
    except HFValidationError as error:
        raise ConfigError(f"{what}: {_one_line(error)}; write the id as owner/name") from error
    except GatedRepoError as error:
        raise ConfigError(
            f"{what}: it is gated; ask for access on its page, and log in with `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise ConfigError(f"{what}: there is none of this id; check it, or log in with `hf auth login`") from error
    except RevisionNotFoundError as error:
        raise ConfigError(f"{what}: it has no such revision; name a branch, tag or commit of it") from error
    except LocalEntryNotFoundError as error:
        raise ConfigError(f"{what}: no network, and no copy of it here; fetch it once with a network") from error
    except EntryNotFoundError as error:
        raise ConfigError(f"{what}: it lacks a file ({_one_line(error)}); check the id") from error
    except LocalTokenNotFoundError as error:
        raise ConfigError(f"{what}: nobody is logged in; run `hf auth login`, or set HF_TOKEN") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            raise ConfigError(
                f"{what}: the token does not allow it; log in with one that may (`hf auth login`)"
            ) from error
        raise ConfigError(f"{what}: {_one_line(error)}") from error
    except (httpx2.HTTPError, OSError, RevisionResolutionError) as error:
        raise ConfigError(f"{what}: {_one_line(error)}; check the network") from error


def _one_line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
