"""Push and load against a Hub on this machine, with the real client in a process of its own."""

import json
import re
from itertools import count
from textwrap import dedent

import pytest
from helpers.hub_server import Client, Fault, HubServer, Raised
from safetensors.torch import load_file

import colorzoo

ANN, BOB = "hf_ann", "hf_bob"
CARD = b"---\nlicense: mit\n---\n\n# Written by hand\n"

_names = (f"ann/model-{i}" for i in count())


@pytest.fixture(scope="module")
def server():
    with HubServer() as server:
        yield server


@pytest.fixture(scope="module")
def client(server, tmp_path_factory):
    client = Client(server.url, tmp_path_factory.mktemp("home"))
    yield client
    client.close()


@pytest.fixture(autouse=True)
def hub(server):
    """The server, with nothing wrong and no request seen."""
    server.faults.clear()
    server.requests.clear()
    yield server
    assert not server.leaked, "a token was sent to the storage"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What a small model's repository holds."""
    folder = tmp_path_factory.mktemp("saved")
    colorzoo.create_model("unet", width=2).save_pretrained(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def repo_id():
    return next(_names)


@pytest.fixture
def cache(tmp_path):
    return str(tmp_path / "cache")


@pytest.fixture
def run(client, cache, repo_id):
    """Run code in the client's process, with the test's own repository and cache."""

    def run(code, **values):
        return client.run(dedent(code), **{"repo_id": repo_id, "cache": cache, **values})

    return run


def load(client, repo_id, cache, **options):
    """Load a model there and check that it colours; its config."""
    return client.run(
        dedent("""
            model = colorzoo.load(repo_id, cache_dir=cache, **options)
            gray = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
            assert model.colorize(gray).size == (64, 48)
            result = model.config
        """),
        repo_id=repo_id,
        cache=cache,
        options=options,
    )


def cached_weights(client, repo_id, cache):
    """The cached weights, byte by byte."""
    return client.run(
        dedent("""
            from huggingface_hub import try_to_load_from_cache

            path = try_to_load_from_cache(repo_id, "model.safetensors", cache_dir=cache)
            result = open(path, "rb").read().hex()
        """),
        repo_id=repo_id,
        cache=cache,
    )


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


def test_a_pinned_revision_that_is_cached_makes_no_request(hub, client, repo_id, cache, files):
    sha = hub.add(repo_id, files).refs["main"]
    load(client, repo_id, cache, revision=sha)
    assert hub.requests
    hub.requests.clear()
    load(client, repo_id, cache, revision=sha)
    assert hub.requests == []


def test_a_branch_is_looked_up_once_and_its_files_are_of_one_commit(
    hub, client, repo_id, cache, files
):
    repo = hub.add(repo_id, files)
    load(client, repo_id, cache)
    hub.requests.clear()
    load(client, repo_id, cache)
    assert hub.requests == [f"HEAD /{repo_id}/resolve/main/config.json"]
    hub.requests.clear()
    repo.put({"notes.txt": b"a new commit, the same model"})
    load(client, repo_id, cache)
    pinned = [line for line in hub.requests if "config.json" not in line]
    assert pinned and all(repo.refs["main"] in line for line in pinned if "resolve" in line)


def test_what_is_cached_loads_while_the_hub_is_down(hub, client, repo_id, cache, files):
    hub.add(repo_id, files)
    load(client, repo_id, cache)
    hub.faults.append(Fault("HEAD", status=503))
    assert load(client, repo_id, cache)["width"] == 2
    hub.requests.clear()
    assert load(client, repo_id, cache, local_files_only=True)["width"] == 2
    assert hub.requests == []


def test_a_private_repository_needs_its_owners_token(hub, client, run, repo_id, cache):
    run("colorzoo.create_model('unet', width=2).push_to_hub(repo_id, private=True, token='hf_ann')")
    assert hub.repos[repo_id].private
    for options in ({"token": False}, {"token": BOB}):
        with pytest.raises(Raised, match=r"HubError: .*has no repository .* or it is private"):
            load(client, repo_id, cache, **options)
    with pytest.raises(Raised, match=r"HubError: .*does not accept the token.*hf auth login"):
        load(client, repo_id, cache, token="hf_nobody")
    assert load(client, repo_id, cache, token=ANN)["width"] == 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("HEAD", status=500), "failed with HTTP 500.*try again later"),
        (Fault("GET /storage", status=500), "failed with HTTP 500.*try again later"),
        (Fault("HEAD", status=429), "too many requests"),
        (Fault("HEAD", status=401), "does not accept the token.*hf auth login"),
        (
            Fault("HEAD", status=403, headers={"X-Error-Code": "GatedRepo"}),
            "is gated: accept its terms at http",
        ),
        (Fault("HEAD", status=403), "does not allow this token"),
        (Fault("HEAD", status=200), "did not deliver .*missing the 'X-Repo-Commit' header"),
        (Fault("GET /storage", body=0), "connection to http.* failed .*try again"),
        (
            Fault("model.safetensors", claimed=7),
            r"did not deliver .*should be of size.*\)\. Try again\.$",
        ),
        (Fault("GET /ann", body=0), "connection to http.* failed .*try again"),
    ],
    ids=lambda value: (
        f"{value.match}-{value.status or value.body or value.claimed}"
        if isinstance(value, Fault)
        else ""
    ),
)
def test_a_failure_is_told_and_a_later_try_works(
    hub, client, repo_id, cache, files, fault, message
):
    hub.add(repo_id, files)
    hub.faults.append(fault)
    if message:
        with pytest.raises(Raised, match=f"^HubError: .*{message}") as caught:
            load(client, repo_id, cache)
        assert repo_id in str(caught.value) and "\n" not in str(caught.value)
        # Nothing that came in part is taken for the file.
        with pytest.raises(Raised, match="^HubError: .*not in the cache"):
            load(client, repo_id, cache, local_files_only=True)
    hub.faults.clear()
    assert load(client, repo_id, cache)["width"] == 2


def test_a_download_that_is_cut_is_resumed(hub, client, repo_id, cache, files):
    hub.add(repo_id, files)
    hub.faults.append(Fault("GET /storage", body=1000, times=1))
    load(client, repo_id, cache, revision="main")
    assert sum("GET /storage" in line for line in hub.requests) == 2
    assert cached_weights(client, repo_id, cache) == files["model.safetensors"].hex()


def test_a_download_that_breaks_midway_leaves_nothing(hub, client, repo_id, cache, files):
    hub.add(repo_id, files)
    hub.faults += [Fault("GET /storage", body=1000, times=1), Fault("GET /storage", body=0)]
    with pytest.raises(Raised, match="^HubError: The connection to .* failed .*try again"):
        load(client, repo_id, cache)
    with pytest.raises(Raised, match="^HubError: .*not in the cache"):
        load(client, repo_id, cache, local_files_only=True)
    hub.faults.clear()
    load(client, repo_id, cache)
    assert cached_weights(client, repo_id, cache) == files["model.safetensors"].hex()


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


def test_what_is_not_there_is_told(hub, client, repo_id, cache, files):
    def refused(name, message, **options):
        with pytest.raises(Raised, match=f"^HubError: .*{message}"):
            load(client, name, cache, **options)

    hub.add(repo_id, {"config.json": files["config.json"]})
    refused("ann/nowhere", "no repository ann/nowhere, or it is private: check the spelling")
    refused(repo_id, "holds no model.safetensors, so it is no colorzoo model")
    refused(repo_id, "has no revision 'v9': give a branch", revision="v9")
    refused(
        repo_id, "not in the cache, and local_files_only", revision="0" * 40, local_files_only=True
    )
    refused("ann/a/b", "'ann/a/b' is no Hub repository id")
    hub.add("ann/empty")
    refused("ann/empty", "holds no config.json")


@pytest.mark.parametrize("config", [None, b'{"architectures": ["Net"]}', "own"])
def test_pickles_are_refused(hub, client, repo_id, cache, files, config):
    own = {"config.json": files["config.json"] if config == "own" else config}
    hub.add(repo_id, {"pytorch_model.bin": b"\x80\x04", **({} if config is None else own)})
    with pytest.raises(Raised, match=r"HubError: .*pickle only \(pytorch_model.bin\).*any code"):
        load(client, repo_id, cache)
    assert not any("resolve" in line and ".bin" in line for line in hub.requests)


def test_another_librarys_model_is_refused_before_its_weights_are_fetched(
    hub, client, repo_id, cache, files
):
    foreign = {"config.json": b'{"architectures": ["Net"], "colorzoo_version": "9.1"}'}
    hub.add(repo_id, files | foreign)
    with pytest.raises(Raised, match=r"ConfigError: .*architecture None.*colorzoo 9.1 wrote it"):
        load(client, repo_id, cache)
    assert not any("model.safetensors" in line for line in hub.requests)


def test_an_absurd_size_is_refused_before_its_weights_are_fetched(
    hub, client, repo_id, cache, files
):
    huge = {**json.loads(files["config.json"]), "width": 10**6}
    hub.add(repo_id, files | {"config.json": json.dumps(huge).encode()})
    with pytest.raises(Raised, match=r"ConfigError: .*7,574,000,394,000,020 numbers"):
        load(client, repo_id, cache)
    assert not any("model.safetensors" in line for line in hub.requests)


def test_a_file_that_was_damaged_in_the_cache_can_be_fetched_again(hub, run, repo_id, files):
    hub.add(repo_id, files)
    run("""
        import os, re

        path = None
        model = colorzoo.load(repo_id, cache_dir=cache)
        blobs = [os.path.join(at, name) for at, _, names in os.walk(cache) for name in names]
        (path,) = [blob for blob in blobs if os.path.getsize(blob) > 10_000
                   and not os.path.islink(blob)]
        os.truncate(path, 9000)
        try:
            colorzoo.load(repo_id, cache_dir=cache)
        except colorzoo.WeightsError as error:
            os.remove(re.search(r"Delete (\\S+) and fetch", str(error))[1])
        colorzoo.load(repo_id, cache_dir=cache)
        os.truncate(path, 9000)
        type(model).from_pretrained(repo_id, cache_dir=cache, force_download=True)
        colorzoo.load(repo_id, cache_dir=cache)
    """)


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
    assert found[0] == [2, 2] and "does not fit UNet as its config describes it" in found[1]


@pytest.mark.slow
def test_without_a_network_the_error_comes_at_once(tmp_path, files):
    client = Client("http://127.0.0.1:9", tmp_path / "home")
    try:
        found = client.run(
            dedent("""
                import time
                from huggingface_hub import constants

                waits, said = [], []
                time.sleep = waits.append
                for offline in (False, True):
                    constants.HF_HUB_OFFLINE = offline
                    try:
                        colorzoo.load("ann/mistyped")
                    except colorzoo.HubError as error:
                        said.append(str(error))
                constants.HF_HUB_OFFLINE = False
                try:
                    colorzoo.create_model("unet", width=2).push_to_hub("ann/mistyped")
                except colorzoo.HubError as error:
                    said.append(str(error))
                result = waits, said
            """)
        )
    finally:
        client.close()
    waits, (unreachable, offline, pushed) = found
    assert not waits
    for said in (unreachable, pushed):
        assert "connection to http://127.0.0.1:9 failed for ann/mistyped" in said
    assert "not in the cache, and HF_HUB_OFFLINE is set" in offline


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
    with pytest.raises(Raised, match=r"HubError: .*has a card already .*overwrite_card"):
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
    with pytest.raises(Raised, match="HubError: .*changed while this was pushed.*push again"):
        run("""
            from huggingface_hub import HfApi
            from colorzoo.hub import PushOptions, push_files

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

    refused("token='hf_nobody'", "does not accept the token, .*write to.*hf auth login")
    refused("token=False", "does not accept the token, or there is none")
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


@pytest.fixture
def cli(run):
    """Call the command line there: exit code, standard output, standard error."""

    def call(*arguments, token=ANN, command="push"):
        return run(
            """
            import os
            from typer.testing import CliRunner
            from colorzoo.cli import app

            os.environ["HF_TOKEN"] = token
            try:
                done = CliRunner().invoke(app, arguments)
            finally:
                del os.environ["HF_TOKEN"]
            result = done.exit_code, done.stdout, done.stderr
            """,
            arguments=[command, *map(str, arguments)],
            token=token,
        )

    return call


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

    assert "does not accept the token" in fails("unet", repo_id, token="hf_nobody")
    assert "Did you mean unet" in fails("unte", repo_id)
    assert "There is no folder" in fails("./nowhere", repo_id)
    assert "no Hub repository id" in fails("unet", "a/b/c")
    (tmp_path / "config.json").write_bytes(files["config.json"])
    (tmp_path / "model.safetensors").write_bytes(files["model.safetensors"][:-9])
    assert "not a whole safetensors file" in fails(tmp_path, repo_id)
    assert repo_id not in hub.repos


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
        from colorzoo.hub import PushOptions
        from train.publish import publish

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
