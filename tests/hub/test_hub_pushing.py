"""Pushing to the Hub: one commit, a card that a person wrote stays, refusals say why."""

import re

import pytest
from helpers.hub_repos import Fault
from helpers.hub_server import Raised
from safetensors.torch import load_file

CARD = b"---\nlicense: mit\n---\n\n# Written by hand\n"


def test_the_default_card_shows_how_to_load_this_repository(hub, run, repo_id):
    run("colorzoo.create_model('unet', width=2).push_to_hub(repo_id, token='hf_ann')")
    card = hub.repos[repo_id].files()["README.md"].decode()
    assert "[More Information Needed]" not in card
    assert card.startswith("---\nlibrary_name: colorzoo\npipeline_tag: image-to-image\n")
    assert "- image-colorization\n" in card
    assert f'model = colorzoo.load("{repo_id}")\n' in card
    (example,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    run(
        """
        import os, pathlib
        from PIL import Image

        os.environ["HF_HUB_CACHE"] = cache
        pathlib.Path(cache).mkdir()
        here = os.getcwd()
        os.chdir(cache)
        try:
            Image.new("L", (40, 30), 99).save("photo.jpg")
            exec(example, {})
            assert pathlib.Path("coloured.jpg").is_file()
        finally:
            os.chdir(here)
        """,
        example=example,
    )


def test_a_card_on_the_hub_stays_unless_told_otherwise(hub, run, repo_id):
    push = "colorzoo.create_model('unet', width={}).push_to_hub(repo_id, token='hf_ann'{})"
    run(push.format(2, ""))
    repo = hub.repos[repo_id]
    repo.put({"README.md": CARD, "photo.png": b"a sample"})
    weights = repo.files()["model.safetensors"]
    run(push.format(3, ", delete_patterns=['*']"))
    assert repo.files()["README.md"] == CARD
    assert repo.files()["model.safetensors"] != weights
    assert "photo.png" not in repo.files() and ".gitattributes" in repo.files()
    run(push.format(3, ", overwrite_card=True, ignore_patterns='config.json'"))
    assert b"colorzoo.load(" in repo.files()["README.md"]


def test_a_card_that_is_given_is_not_dropped_in_silence(hub, run, repo_id, tmp_path):
    card = tmp_path / "card.md"
    card.write_bytes(CARD)

    def push(**options):
        run(
            "colorzoo.create_model('unet', width=2).push_to_hub("
            "repo_id, token='hf_ann', card=card, **options)",
            card=str(card),
            options=options,
        )

    push()
    repo = hub.repos[repo_id]
    assert repo.files()["README.md"] == CARD
    push()  # the same card is no conflict
    repo.put({"README.md": CARD + b"More.\n"})
    before = dict(repo.refs)
    with pytest.raises(Raised, match=r"HubError: .*already has a card .*overwrite_card"):
        push()
    assert repo.refs == before
    push(overwrite_card=True)
    assert repo.files()["README.md"] == CARD
    card.write_bytes(b"---\nlicense: [\n---\n")
    with pytest.raises(Raised, match=r"HubError: .*Invalid metadata in README.md"):
        push(overwrite_card=True)
    card.unlink()
    with pytest.raises(Raised, match=r"ConfigError: The card .*card.md cannot be read"):
        push()


def test_a_card_that_is_written_in_that_moment_stays_too(hub, run, repo_id):
    hub.add(repo_id)
    with pytest.raises(Raised, match="HubError: .*changed during the push.*push again"):
        run("""
            from huggingface_hub import HfApi
            from colorzoo.hub.push import PushOptions, push_files

            def write(folder, full_id):
                (folder / "README.md").write_text("mine")
                HfApi(token="hf_ann").upload_file(
                    path_or_fileobj=b"theirs", path_in_repo="README.md", repo_id=full_id
                )

            push_files(repo_id, write, PushOptions(token="hf_ann"), message="m")
        """)
    assert hub.repos[repo_id].files()["README.md"] == b"theirs"


def test_branches_and_pull_requests(hub, run, repo_id):
    push = "commit = colorzoo.create_model('unet', width={}).push_to_hub(repo_id, {})\n"
    run(push.format(2, "token='hf_ann'"))
    repo = hub.repos[repo_id]
    first = repo.refs["main"]
    oid = run(push.format(3, "token='hf_ann', branch='wide'") + "result = commit.oid")
    assert repo.refs == {"main": first, "wide": oid}
    assert run("result = colorzoo.load(repo_id, cache_dir=cache, revision='wide').config['width']")
    oid, url = run(
        push.format(4, "token='hf_bob', create_pr=True") + "result = commit.oid, commit.pr_url"
    )
    assert repo.refs == {"main": first, "wide": repo.refs["wide"], "refs/pr/1": oid}
    assert url == f"{hub.url}/{repo_id}/discussions/1"
    code = "result = colorzoo.load(repo_id, cache_dir=cache, revision='refs/pr/1').config['width']"
    assert run(code) == 4
    with pytest.raises(Raised, match="ConfigError: .*leave out branch='wide' or create_pr"):
        run(push.format(2, "token='hf_ann', branch='wide', create_pr=True"))


def test_a_push_that_is_refused_says_why(hub, run, repo_id):
    def refused(options, message):
        with pytest.raises(Raised, match=f"HubError: .*{message}") as caught:
            run(f"colorzoo.create_model('unet', width=2).push_to_hub(repo_id, {options})")
        assert "\n" not in str(caught.value)

    refused("token='hf_nobody'", "needs a valid token to write to.*hf auth login")
    refused("token=False", "needs a valid token to write to")
    refused("token='hf_bob'", "does not allow this token to write to.*rights to create")
    assert repo_id not in hub.repos
    hub.add(repo_id)
    refused("token='hf_bob'", "does not allow this token to write to.*no write access")
    refused("token='hf_ann', private=True", "is public, so nothing was pushed")
    for match in ("PUT /storage", "preupload", "POST /api/models/ann"):
        hub.faults[:] = [Fault(match, status=500)]
        refused("token='hf_ann'", "failed with HTTP 500.*try again later")
    assert set(hub.repos[repo_id].files()) == {".gitattributes"}
    hub.faults.clear()
    run("colorzoo.create_model('unet', width=2).push_to_hub(repo_id, token='hf_ann')")


def test_nothing_new_makes_no_commit(hub, run, repo_id):
    oids = run("""
        model = colorzoo.create_model("unet", width=2)
        result = [model.push_to_hub(repo_id, token="hf_ann").oid for _ in range(2)]
    """)
    assert oids == [hub.repos[repo_id].refs["main"]] * 2
    assert len(hub.repos[repo_id].commits) == 2


def test_a_repository_without_an_owner_is_ones_own(hub, run, repo_id):
    run(
        "colorzoo.create_model('unet', width=2).push_to_hub(name, token='hf_ann')",
        name=repo_id.partition("/")[2],
    )
    assert f'load("{repo_id}")' in hub.repos[repo_id].files()["README.md"].decode()


def test_save_pretrained_can_push(hub, run, repo_id, tmp_path):
    run(
        """
        colorzoo.create_model("unet", width=2).save_pretrained(
            folder, push_to_hub=True, repo_id=repo_id, token="hf_ann"
        )
        """,
        folder=str(tmp_path / "saved"),
    )
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert saved.keys() and (tmp_path / "saved" / "README.md").read_text().count('load(".")') == 1
    assert (
        hub.repos[repo_id].files()["model.safetensors"]
        == (tmp_path / "saved" / "model.safetensors").read_bytes()
    )


def test_a_published_model_brings_numbers_card_and_pictures(run, repo_id):
    """`python -m train publish`, and what a stranger then finds."""
    found = run("""
        from huggingface_hub import HfApi, ModelCard
        from colorzoo.hub.push import PushOptions
        from train.upkeep.publish import publish

        first = publish("unet", repo_id, PushOptions(token="hf_ann"))
        card = ModelCard.load(repo_id)
        model = colorzoo.load(repo_id, revision=first.commit.oid, cache_dir=cache)
        result = {
            "files": sorted(HfApi().list_repo_files(repo_id)),
            "card": card.text,
            "metrics": sorted({each.metric_type for each in card.data.eval_results}),
            "architecture": model.architecture,
        }
    """)
    assert found["architecture"] == "unet"
    expected = {
        "README.md", "config.json", "failures.jpg", "metrics.json", "model.safetensors",
        "samples.jpg",
    }  # fmt: skip
    assert expected <= set(found["files"])
    assert f'colorzoo.load("{repo_id}")' in found["card"] and "psnr" in found["metrics"]
