"""The command line against the Hub."""

import hashlib
import os

import pytest

import colorzoo

CARD = b"---\nlicense: mit\n---\n\n# Written by hand\n"


def test_push_of_bundled_weights_from_the_command_line(hub, cli, repo_id):
    code, out, err = cli("unet", repo_id, "--private", "--message", "Release")
    repo = hub.repos[repo_id]
    assert (code, err) == (0, ""), err
    assert repo.private and repo.messages[-1] == "Release"
    assert f"commit: {repo.refs['main']}\n" in out
    assert f'colorzoo.load("{repo_id}", revision="{repo.refs["main"]}")' in out
    bundled = colorzoo.model_info("unet").weights
    assert bundled is not None
    for name in ("config.json", "model.safetensors", "metrics.json"):
        assert repo.files()[name] == (bundled / name).read_bytes(), name
    assert f'load("{repo_id}")' in repo.files()["README.md"].decode()


def test_push_of_a_folder_from_the_command_line(hub, cli, repo_id, files, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "last.ckpt").write_bytes(b"not for everyone")
    code, _, err = cli(tmp_path, repo_id)
    repo = hub.repos[repo_id]
    assert (code, err) == (0, ""), err
    assert set(repo.files()) == {".gitattributes", *files}
    assert f'load("{repo_id}")' in repo.files()["README.md"].decode()

    (tmp_path / "README.md").write_bytes(CARD)  # edited here; the one on the Hub may be too
    code, out, err = cli(tmp_path, repo_id)
    assert code == 0 and "note: kept the card on the Hub; --overwrite-card" in err
    assert f"commit: {repo.refs['main']}\n" in out
    assert repo.files()["README.md"] != CARD
    assert cli(tmp_path, repo_id, "--overwrite-card")[0] == 0
    assert repo.files()["README.md"] == CARD

    other = tmp_path / "other.md"
    other.write_bytes(CARD + b"More.\n")
    code, _, err = cli(tmp_path, repo_id, "--card", other)
    assert code == 1 and err.startswith("error: ") and "--overwrite-card" in err
    code, _, err = cli(tmp_path, repo_id, "--card", other, "--branch", "v2", "--overwrite-card")
    assert code == 0 and repo.files("v2")["README.md"] == other.read_bytes()
    assert repo.files()["README.md"] == CARD
    code, out, _ = cli(tmp_path, repo_id, "--create-pr")
    assert code == 0 and "commit: " in out
    told = f"nothing changed: {repo_id} has these files already, so no pull request was opened"
    assert told in out and "pushed" not in out
    assert "nothing changed" in cli(tmp_path, repo_id)[1]


def test_colorize_takes_a_revision(hub, cli, repo_id, files, tmp_path, jpeg):
    repo = hub.add(repo_id, files)
    first = repo.refs["main"]
    repo.put({"config.json": b"{}"})  # main is broken now
    (tmp_path / "photo.jpg").write_bytes(jpeg)
    asked = (tmp_path / "photo.jpg", "-o", tmp_path / "out.png", "--model", repo_id)
    code, _, err = cli(*asked, command="colorize")
    assert code == 1 and err.startswith("error: ")
    code, _, err = cli(*asked, "--revision", first, command="colorize")
    assert (code, err.strip()) == (0, "") and (tmp_path / "out.png").is_file()


def test_errors_of_push_are_one_line(hub, cli, repo_id, tmp_path, files):
    def fails(*arguments, **options):
        code, out, err = cli(*arguments, **options)
        assert (code, out) == (1, "") and err.startswith("error: ") and err.count("\n") == 1, err
        return err

    assert "needs a valid token" in fails("unet", repo_id, token="hf_nobody")
    assert "Did you mean unet" in fails("unte", repo_id)
    assert "There is no folder" in fails("./nowhere", repo_id)
    assert "neither a Hub repository id" in fails("unet", "a/b/c")
    assert "Push that model" in fails("efficientnet-bins.careful", repo_id)
    (tmp_path / "config.json").write_bytes(files["config.json"])
    (tmp_path / "model.safetensors").write_bytes(files["model.safetensors"][:-9])
    assert "not a complete safetensors file" in fails(tmp_path, repo_id)
    assert repo_id not in hub.repos


@pytest.mark.skipif(os.name == "nt", reason="makes links")
@pytest.mark.parametrize("name", ["README.md", "metrics.json", "config.json", "model.safetensors"])
def test_links_out_of_the_folder_are_not_pushed(hub, cli, repo_id, tmp_path, files, name):
    folder, secret = tmp_path / "model", tmp_path / "secret"
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_bytes(content)
    secret.write_bytes(files.get(name, b"{}") + b"\n" * (name == "README.md"))
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(secret)
    code, _, err = cli(folder, repo_id)
    assert code == 1 and f"{name} is a link to {secret}, outside the folder" in err.replace(
        "\n", ""
    )
    assert repo_id not in hub.repos
    (folder / name).unlink()
    (folder / "inside").write_bytes(secret.read_bytes())
    (folder / name).symlink_to("inside")
    assert cli(folder, repo_id)[0] == 0
    assert hub.repos[repo_id].files()[name] == secret.read_bytes()
    assert "inside" not in hub.repos[repo_id].files()


def test_a_snapshot_in_the_cache_is_pushed_although_it_consists_of_links(
    hub, run, cli, repo_id, files
):
    hub.add(repo_id, files)
    folder = run("""
        from huggingface_hub import snapshot_download

        result = snapshot_download(repo_id, cache_dir=cache)
    """)
    assert cli(folder, f"{repo_id}-copy")[0] == 0
    pushed = hub.repos[f"{repo_id}-copy"].files()
    assert pushed["model.safetensors"] == files["model.safetensors"]


@pytest.mark.skipif(os.name == "nt", reason="makes pipes")
def test_a_card_that_is_a_pipe_or_a_gigabyte_does_not_stop_a_push(
    hub, cli, repo_id, tmp_path, files
):
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    (tmp_path / "README.md").unlink()
    os.mkfifo(tmp_path / "README.md")
    assert cli(tmp_path, repo_id)[0] == 0
    assert b"colorzoo.load(" in hub.repos[repo_id].files()["README.md"]
    (tmp_path / "README.md").unlink()
    with (tmp_path / "README.md").open("wb") as card:
        card.truncate(1 << 30)
    code, _, err = cli(tmp_path, f"{repo_id}-2")
    assert code == 1 and "README.md is too large" in err


def test_a_save_that_was_interrupted_is_pushed_as_it_loads(hub, cli, repo_id, tmp_path, files):
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    digest = hashlib.sha256(files["model.safetensors"]).hexdigest()
    (tmp_path / "config.json").rename(tmp_path / f".colorzoo-{digest}.config.json")
    assert cli(tmp_path, repo_id)[0] == 0
    pushed = hub.repos[repo_id].files()
    assert pushed["config.json"] == files["config.json"]
    assert not any("colorzoo-" in name for name in pushed)
