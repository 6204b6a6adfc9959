"""Published weights on a Hub on this machine, the whole way, with the real client."""

import pytest
from helpers.hub_repos import Fault
from helpers.hub_server import Raised
from helpers.published import checkpoint_of, families

_LOAD = """
    import sys

    sys.path.insert(0, "tests")
    from helpers.published import checkpoint_of, pinned, register_tiny
    from huggingface_hub import constants
    from colorzoo import registry

    constants.HF_HUB_OFFLINE = offline
    colorzoo.list_models()
    before = dict(registry._REGISTRY)
    try:
        where = {"repo_id": repo_id, "revision": commit, "file": "pytorch_model.bin"}
        name = register_tiny(family, checkpoint_of(family), **where)
        model = colorzoo.load(name, cache_dir=cache, local_files_only=local_files_only, token=token)
        gray = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
        colours = np.asarray(model.colorize(gray)).astype(int)
        result = model.architecture, colours.tolist(), colorzoo.model_info(name).is_local
    finally:
        registry._REGISTRY.clear()
        registry._REGISTRY.update(before)
        constants.HF_HUB_OFFLINE = False
"""


@pytest.fixture
def load(run):
    def load(family, commit, *, offline=False, local_files_only=False, token=None):
        return run(
            _LOAD,
            family=family,
            commit=commit,
            offline=offline,
            local_files_only=local_files_only,
            token=token,
        )

    return load


@pytest.mark.parametrize("family", families())
def test_the_whole_way(hub, load, repo_id, family):
    """Download, hash, conversion, cache, colour; then again with the Hub gone."""
    repo = hub.add(repo_id)
    commit = repo.put({"pytorch_model.bin": checkpoint_of(family), "config.json": b"{}"})
    name, colours, _ = load(family, commit)
    assert name == f"tiny-{family}"
    assert sum("GET /storage" in line for line in hub.requests) == 1
    hub.requests.clear()
    hub.faults.append(Fault("", status=503))
    for options in ({}, {"offline": True}, {"local_files_only": True}):
        assert load(family, commit, **options)[:2] == [name, colours]
    assert hub.requests == []


def test_the_token_goes_to_the_hub_alone(hub, load, repo_id):
    """``hub`` checks in the end that the storage, another host, saw none."""
    repo = hub.add(repo_id, private=True)
    commit = repo.put({"pytorch_model.bin": checkpoint_of("toy")})
    with pytest.raises(Raised, match="HubError: The Hub has no repository .*or it is private"):
        load("toy", commit)
    load("toy", commit, token="hf_ann")


def test_a_download_that_is_cut_goes_on(hub, load, repo_id):
    repo = hub.add(repo_id)
    commit = repo.put({"pytorch_model.bin": checkpoint_of("toy")})
    hub.faults.append(Fault("GET /storage", body=1000, times=1))
    load("toy", commit)
    assert sum("GET /storage" in line for line in hub.requests) == 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("GET /ann", status=500), "failed with HTTP 500.*try again later"),
        (Fault("GET /storage", status=500), "failed with HTTP 500.*try again later"),
        (Fault("GET /ann", status=429), "too many requests"),
        (Fault("GET /storage", body=0), "download of tiny-toy from 127.0.0.1 failed .*try again"),
    ],
    ids=lambda value: getattr(value, "match", ""),
)
def test_a_failure_is_told_and_a_later_try_works(hub, load, repo_id, fault, message):
    repo = hub.add(repo_id)
    commit = repo.put({"pytorch_model.bin": checkpoint_of("toy")})
    hub.faults.append(fault)
    with pytest.raises(Raised, match=f"^HubError: .*{message}"):
        load("toy", commit)
    hub.faults.clear()
    load("toy", commit)


def test_what_the_hub_has_instead_is_refused(hub, load, repo_id):
    repo = hub.add(repo_id)
    good = checkpoint_of("toy")
    for wrong, message in ((good[:-1] + b"!", "not the pinned one"), (good[:-9], "another file")):
        commit = repo.put({"pytorch_model.bin": wrong})
        with pytest.raises(Raised, match=f"HubError: .*{message}"):
            load("toy", commit)
    with pytest.raises(Raised, match="HubError: .* has no revision 'aaaa"):
        load("toy", "a" * 40)


def test_a_checkpoint_in_the_cache_of_the_hub_is_used_and_left(hub, load, run, repo_id):
    """Say of another program, or of ``preload_from_hub`` of a Space; its commit may be another."""
    repo = hub.add(repo_id)
    repo.put({"pytorch_model.bin": checkpoint_of("toy")})
    path = run("""
        from huggingface_hub import hf_hub_download

        result = hf_hub_download(repo_id, "pytorch_model.bin", cache_dir=cache)
    """)
    hub.requests.clear()
    load("toy", "a" * 40, offline=True)
    assert hub.requests == []
    assert run("import os\nresult = os.path.getsize(path)", path=path) == len(checkpoint_of("toy"))
