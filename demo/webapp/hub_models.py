"""Models that visitors add from the Hugging Face Hub."""

import re
import shutil
import tempfile
import threading
import time
from collections import Counter, OrderedDict
from pathlib import Path

from huggingface_hub import HfFileMetadata, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError

import colorzoo
from colorzoo.hub.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from colorzoo.hub.fetch import HubRepo
from colorzoo.hub.messages import hub_errors
from webapp import jobs
from webapp.locks import Locks
from webapp.place import DISK_FULL, PLACE, is_disk_full

MAX_BYTES = 100_000_000  # of a model.safetensors
MAX_CONFIG_BYTES = 1_000_000
MAX_WORK_SIZE = 256  # px; a config may declare 512, which is slow for many visitors
MAX_KEPT = 4  # models in memory and on disk, for all visitors together
MAX_BROUGHT = 3  # models that one visitor can add

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)

_folder = tempfile.TemporaryDirectory(prefix="guests-", dir=PLACE.root)
_models: OrderedDict[str, colorzoo.Colorizer] = OrderedDict()  # the last used one at the end
_uses: dict[str, tuple[str, float]] = {}  # by key: the visitor that fetched it, and the last use
_lock = threading.Lock()  # for both; never held while something is fetched
_loading = Locks()


def is_key(name: str) -> bool:
    """Tell whether a name is the key of an added model, "user/repo@commit"."""
    return "/" in name


def fetch(repo_id: str) -> str:
    """Load the latest commit of a model from the Hub.

    Args:
        repo_id: "user/repo", as the visitor typed it.

    Returns:
        Its key, for ``get``: "user/repo@commit".

    Raises:
        ColorzooError: If it is not a Hub id, too large or not a colorzoo model, or the download
            fails; the message is for visitors.
    """
    repo_id = repo_id.strip().removeprefix("https://huggingface.co/").strip("/")
    # Reject everything that load() could take for a folder on this machine.
    if not _REPO_ID.fullmatch(repo_id) or ".." in repo_id:
        raise colorzoo.HubError(
            f"{repo_id[:80]!r} is not a Hub id; expected user/repo, for example ann/my-colorizer."
        )
    key = f"{repo_id}@{_find_commit(repo_id)}"
    get(key)
    return key


def get(key: str) -> colorzoo.Colorizer:
    """Return an added model; it is fetched again if it was dropped to make room for others."""
    model = _find(key)
    if model is not None:
        return model
    with _loading.hold(key):
        model = _find(key)  # somebody else may have fetched it meanwhile
        if model is None:
            model = _load(key)
            with _lock:
                while len(_models) >= MAX_KEPT:
                    _drop(_next_to_go())
                _models[key] = model
                _uses[key] = jobs.owner(), time.monotonic()
        return model


def tidy(max_age: float) -> None:
    """Drop models that were not used for this many seconds."""
    with _lock:
        for key, (_, used) in list(_uses.items()):
            if time.monotonic() - used > max_age:
                _drop(key)


def _find(key: str) -> colorzoo.Colorizer | None:
    with _lock:
        model = _models.get(key)
        if model is not None:
            _models.move_to_end(key)
            _uses[key] = _owner(key), time.monotonic()
        return model


def _owner(key: str) -> str:
    return _uses[key][0] if key in _uses else ""


def _next_to_go() -> str:
    """Return the least recently used model of the visitor who has the most."""
    counts = Counter(map(_owner, _models))
    return max(_models, key=lambda key: counts[_owner(key)])


def _drop(key: str) -> None:
    _models.pop(key, None)
    _uses.pop(key, None)
    shutil.rmtree(_place(key), ignore_errors=True)


def _find_commit(repo_id: str) -> str:
    """Look up the latest commit, and reject files that are too large before downloading them."""
    commit = None
    for file, limit in ((CONFIG_FILE, MAX_CONFIG_BYTES), (WEIGHTS_FILE, MAX_BYTES)):
        found = _look_up(HubRepo(repo_id, revision=commit, token=False), file)
        commit = found.commit_hash
        if found.size is None or found.size > limit:
            raise colorzoo.HubError(
                f"The {file} of {repo_id} has {(found.size or 0) / 1e6:,.1f} MB, more than the "
                f"limit of {limit / 1e6:.0f} MB for this page. On your own machine, you can use "
                f'colorzoo.load("{repo_id}").'
            )
    if commit is None:
        raise colorzoo.HubError(f"The Hub returned no commit for {repo_id}: try again.")
    return commit


def _look_up(repo: HubRepo, file: str) -> HfFileMetadata:
    with hub_errors(repo.repo_id):
        try:
            url = hf_hub_url(repo.repo_id, file, revision=repo.revision)
            # Never with a token: visitors must not read the private repositories of the owner.
            return get_hf_file_metadata(url, token=False)
        except EntryNotFoundError as error:
            repo.check_pickles()
            raise colorzoo.HubError(
                f"{repo.repo_id} has no {file}, so it is not a colorzoo model. Those have a "
                "config.json and a model.safetensors, as written by push_to_hub()."
            ) from error


def _load(key: str) -> colorzoo.Colorizer:
    repo_id, _, commit = key.partition("@")
    place = _place(key)
    try:
        return colorzoo.load(repo_id, revision=commit, source="hub", token=False, cache_dir=place)
    except BaseException as error:
        shutil.rmtree(place, ignore_errors=True)
        if is_disk_full(error):
            raise colorzoo.HubError(DISK_FULL) from error
        if isinstance(error, colorzoo.ColorzooError):
            raise type(error)(_without_paths(str(error), place)) from error
        raise


def _without_paths(words: str, place: Path) -> str:
    """Reduce paths to file names: visitors should not see the folders of this machine."""
    for folder in (place.resolve(), place):
        words = re.sub(rf"{re.escape(str(folder))}[^\s,;:]*/", "", words)
    return words


def _place(key: str) -> Path:
    return Path(_folder.name) / re.sub(r"[^\w.-]", "--", key)
