"""Loading from the Hub: what is fetched, from which commit, and with whose token."""

import json

import pytest
from helpers.hub_server import Raised

import colorzoo


def test_what_is_pushed_is_what_is_loaded(hub, run, repo_id):
    found = run("""
        import torch

        torch.manual_seed(1)
        model = colorzoo.create_model("unet", width=2)
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.rand_like(value) / 10)
        commit = model.push_to_hub(repo_id, token="hf_ann", commit_message="First")
        again = colorzoo.load(repo_id, revision=commit.oid, cache_dir=cache)
        family = type(model).from_pretrained(repo_id, cache_dir=cache, work_size=64)
        state, other = model.state_dict(), again.state_dict()
        gray = np.random.default_rng(0).integers(0, 256, (50, 70), dtype=np.uint8)
        pictures = [np.asarray(each.colorize(gray)) for each in (model, again)]
        result = {
            "oid": commit.oid,
            "url": str(commit),
            "equal": all(torch.equal(state[name], other[name]) for name in state | other),
            "same_picture": bool((pictures[0] == pictures[1]).all()),
            "coloured": bool(np.ptp(pictures[0].astype(int), axis=-1).any()),
            "config": again.config == model.config,
            "work_size": family.work_size,
            "mode": again.training,
        }
    """)
    repo = hub.repos[repo_id]
    assert found == {
        "oid": repo.refs["main"],
        "url": f"{hub.url}/{repo_id}/commit/{repo.refs['main']}",
        "equal": True,
        "same_picture": True,
        "coloured": True,
        "config": True,
        "work_size": 64,
        "mode": False,
    }
    assert repo.messages == ["start", "First"] and not repo.private
    assert set(repo.files()) == {
        ".gitattributes",
        "README.md",
        "config.json",
        "model.safetensors",
    }
    assert repo.commits[repo.refs["main"]]["model.safetensors"].lfs
    assert json.loads(repo.files()["config.json"]) == {
        "architecture": "unet",
        "colorzoo_version": colorzoo.__version__,
        "width": 2,
        "work_size": 128,
    }


def test_a_pinned_revision_that_is_cached_makes_no_request(hub, load, repo_id, files):
    sha = hub.add(repo_id, files).refs["main"]
    load(repo_id, revision=sha)
    assert hub.requests
    hub.requests.clear()
    load(repo_id, revision=sha)
    assert hub.requests == []


def test_a_branch_is_looked_up_once_and_its_files_are_of_one_commit(hub, load, repo_id, files):
    repo = hub.add(repo_id, files)
    load(repo_id)
    hub.requests.clear()
    load(repo_id)
    assert hub.requests == [f"HEAD /{repo_id}/resolve/main/config.json"]
    hub.requests.clear()
    repo.put({"notes.txt": b"a new commit, the same model"})
    load(repo_id)
    pinned = [line for line in hub.requests if "config.json" not in line]
    assert pinned and all(repo.refs["main"] in line for line in pinned if "resolve" in line)


def test_a_private_repository_needs_its_owners_token(hub, load, run, repo_id):
    run("colorzoo.create_model('unet', width=2).push_to_hub(repo_id, private=True, token='hf_ann')")
    assert hub.repos[repo_id].private
    for options in ({"token": False}, {"token": "hf_bob"}):
        with pytest.raises(Raised, match=r"HubError: .*has no repository .* or it is private"):
            load(repo_id, **options)
    with pytest.raises(Raised, match=r"HubError: .*needs a valid token.*hf auth login"):
        load(repo_id, token="hf_nobody")
    assert load(repo_id, token="hf_ann")["width"] == 2


def test_a_snapshot_is_a_folder_that_loads(hub, run, repo_id, files):
    hub.add(repo_id, files)
    names = run("""
        import os
        from huggingface_hub import snapshot_download

        folder = snapshot_download(repo_id, cache_dir=cache)
        colorzoo.load(folder)
        result = os.listdir(folder)
    """)
    assert set(names) == {".gitattributes", *files}


def test_a_registered_model_is_loaded_at_its_pinned_commit(hub, run, repo_id, files):
    repo = hub.add(repo_id, files)
    pinned = repo.refs["main"]
    wider = {**json.loads(files["config.json"]), "width": 3}
    repo.put({"config.json": json.dumps(wider).encode()})
    found = run(
        """
        unet = colorzoo.model_info("unet").family
        name = repo_id.partition("/")[2]
        colorzoo.register_model(name, summary="", year=2026, repo_id=repo_id, revision=pinned)(unet)
        models = [
            colorzoo.load(name, cache_dir=cache),
            colorzoo.load(name, cache_dir=cache, source="hub"),
        ]
        try:
            colorzoo.load(name, cache_dir=cache, revision="main")
        except colorzoo.WeightsError as error:
            said = str(error)  # the weights are of width 2
        result = [model.config["width"] for model in models], said
        """,
        pinned=pinned,
    )
    assert found[0] == [2, 2] and "does not fit UNet as configured" in found[1]
