"""Where the weights of a registered model come from, in words, and whether they are here."""

import re
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from colorzoo.hub.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from colorzoo.hub.published import PublishedWeights, converted_folder, is_converted

_LICENCE = re.compile(r"^(license|license_name): *(.+)$", re.MULTILINE)


def is_downloaded(
    name: str,
    *,
    repo_id: str | None,
    revision: str | None,
    published: PublishedWeights | None,
    cache_dir: str | Path | None = None,
) -> bool:
    """Tell whether weights are in the cache, ready to be loaded.

    Args:
        name: The registered name of the model that has the weights.
        repo_id: Its Hub repository, if it has one.
        revision: The pinned commit of that repository.
        published: The checkpoint of the method's authors; used if there is no ``repo_id``.
        cache_dir: Folder for downloads.
    """
    if repo_id is not None:
        return all(
            isinstance(try_to_load_from_cache(repo_id, file, cache_dir, revision), str)
            for file in (CONFIG_FILE, WEIGHTS_FILE)
        )
    return published is not None and is_converted(converted_folder(name, published, cache_dir))


def origin_of(
    *, bundled: bool, on_hub: bool, published: PublishedWeights | None, local: bool
) -> str:
    """Say where weights come from, such as "published by its authors, 220 MB, not downloaded"."""
    if bundled:
        return "bundled"
    here = "downloaded" if local else "not downloaded"
    if on_hub:
        return f"on the Hub, {here}"
    if published is not None:
        return f"published by its authors, {published.megabytes}, {here}"
    return "none"


def licence_in(card: str) -> str | None:
    """Return the licence in the front matter of a model card."""
    head = card.partition("---\n")[2].partition("\n---")[0]
    found = dict(_LICENCE.findall(head))
    return found.get("license_name") or found.get("license")
