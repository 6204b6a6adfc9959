"""Bring your own: models from the Hugging Face Hub, for the visitor who asked for them."""

import re
import shutil
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path

from huggingface_hub import HfFileMetadata, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError

import colorzoo
from colorzoo.hub.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from colorzoo.hub.fetch import HubRepo
from colorzoo.hub.messages import hub_errors

MAX_BYTES = 100_000_000  # of a model.safetensors
MAX_CONFIG_BYTES = 1_000_000
MAX_WORK_SIZE = 256  # px; a config may ask for 4096, which takes gigabytes
MAX_KEPT = 4  # models in memory and on disk, for all visitors together
MAX_BROUGHT = 3  # models in one visit

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)

_folder = tempfile.TemporaryDirectory(prefix="colorzoo-guests-")
_models: OrderedDict[str, colorzoo.Colorizer] = OrderedDict()
_lock = threading.Lock()


def is_key(name: str) -> bool:
    """Tell a brought model's key, "user/repo@commit", from a registered name."""
    return "/" in name


def fetch(repo_id: str) -> str:
    """Load a model from the Hub, of the commit that is there now.

    Args:
        repo_id: "user/repo", as the visitor typed it.

    Returns:
        Its key, for ``get``: "user/repo@commit".

    Raises:
        ColorzooError: If it is no Hub id, too large or no colorizer, or the Hub does not deliver;
            the message is for visitors.
    """
    repo_id = repo_id.strip().removeprefix("https://huggingface.co/").strip("/")
    # Nothing that load() could take for a folder of this machine gets past here.
    if not _REPO_ID.fullmatch(repo_id) or ".." in repo_id:
        raise colorzoo.HubError(
            f"{repo_id[:80]!r} is no Hub id; expected user/repo, for example ann/my-colorizer."
        )
    key = f"{repo_id}@{_find_commit(repo_id)}"
    get(key)
    return key


def get(key: str) -> colorzoo.Colorizer:
    """Give a brought model; it is fetched again if others have taken its place."""
    with _lock:
        if key not in _models:
            while len(_models) >= MAX_KEPT:
                shutil.rmtree(_place(_models.popitem(last=False)[0]), ignore_errors=True)
            _models[key] = _load(key)
        _models.move_to_end(key)
        return _models[key]


def _find_commit(repo_id: str) -> str:
    """Look up the latest commit, and refuse files that are too large before they are fetched."""
    commit = None
    for file, limit in ((CONFIG_FILE, MAX_CONFIG_BYTES), (WEIGHTS_FILE, MAX_BYTES)):
        found = _look_up(HubRepo(repo_id, revision=commit, token=False), file)
        commit = found.commit_hash
        if found.size is None or found.size > limit:
            raise colorzoo.HubError(
                f"The {file} of {repo_id} has {(found.size or 0) / 1e6:,.1f} MB, more than the "
                f"{limit / 1e6:.0f} MB that this page loads. On a machine of your own, "
                f'colorzoo.load("{repo_id}") may.'
            )
    if commit is None:
        raise colorzoo.HubError(f"The Hub names no commit of {repo_id}: try again.")
    return commit


def _look_up(repo: HubRepo, file: str) -> HfFileMetadata:
    with hub_errors(repo.repo_id):
        try:
            url = hf_hub_url(repo.repo_id, file, revision=repo.revision)
            # Never with a token: what the page's owner may read is not every visitor's.
            return get_hf_file_metadata(url, token=False)
        except EntryNotFoundError as error:
            repo.check_pickles()
            raise colorzoo.HubError(
                f"{repo.repo_id} holds no {file}, so it is no colorzoo model: those are a "
                "config.json and a model.safetensors, as push_to_hub() writes them."
            ) from error


def _load(key: str) -> colorzoo.Colorizer:
    repo_id, _, commit = key.partition("@")
    place = _place(key)
    try:
        return colorzoo.load(repo_id, revision=commit, source="hub", token=False, cache_dir=place)
    except colorzoo.ColorzooError as error:
        shutil.rmtree(place, ignore_errors=True)
        raise type(error)(_without_paths(str(error), place)) from error


def _without_paths(words: str, place: Path) -> str:
    """Leave only the names of files: where they lie here is not the visitor's business."""
    for folder in (place.resolve(), place):
        words = re.sub(rf"{re.escape(str(folder))}[^\s,;:]*/", "", words)
    return words


def _place(key: str) -> Path:
    return Path(_folder.name) / re.sub(r"[^\w.-]", "--", key)
