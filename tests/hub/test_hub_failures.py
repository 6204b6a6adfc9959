"""The Hub fails, or holds something else: a sentence, and nothing half-fetched."""

import json
from textwrap import dedent

import pytest
from helpers.hub_repos import Fault
from helpers.hub_server import Client, Raised


def cached_weights(run):
    """The cached weights, byte by byte."""
    return run("""
            from huggingface_hub import try_to_load_from_cache

            path = try_to_load_from_cache(repo_id, "model.safetensors", cache_dir=cache)
            result = open(path, "rb").read().hex()
        """)


def test_what_is_cached_loads_while_the_hub_is_down(hub, load, repo_id, files):
    hub.add(repo_id, files)
    load(repo_id)
    hub.faults.append(Fault("HEAD", status=503))
    assert load(repo_id)["width"] == 2
    hub.requests.clear()
    assert load(repo_id, local_files_only=True)["width"] == 2
    assert hub.requests == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("HEAD", status=500), "failed with HTTP 500.*try again later"),
        (Fault("GET /storage", status=500), "failed with HTTP 500.*try again later"),
        (Fault("HEAD", status=429), "too many requests"),
        (Fault("HEAD", status=401), "needs a valid token.*hf auth login"),
        (
            Fault("HEAD", status=403, headers={"X-Error-Code": "GatedRepo"}),
            "is gated: accept its terms at http",
        ),
        (Fault("HEAD", status=403), "does not allow this token"),
        (
            Fault("HEAD", status=200),
            "could not be downloaded .*missing the 'X-Repo-Commit' header",
        ),
        (Fault("GET /storage", body=0), "connection to http.* failed .*try again"),
        (
            Fault("model.safetensors", claimed=7),
            r"could not be downloaded from the Hub .*should be of size.*\)\. Try again\.$",
        ),
        # More comes than was announced.
        (
            Fault("model.safetensors", claimed=-7),
            r"could not be downloaded from the Hub .*should be of size.*\)\. Try again\.$",
        ),
        (Fault("GET /ann", body=0), "connection to http.* failed .*try again"),
    ],
    ids=lambda value: (
        f"{value.match}-{value.status or value.body or value.claimed}"
        if isinstance(value, Fault)
        else ""
    ),
)
def test_a_failure_is_told_and_a_later_try_works(hub, load, repo_id, files, fault, message):
    hub.add(repo_id, files)
    hub.faults.append(fault)
    if message:
        with pytest.raises(Raised, match=f"^HubError: .*{message}") as caught:
            load(repo_id)
        assert repo_id in str(caught.value) and "\n" not in str(caught.value)
        # Nothing that came in part is taken for the file.
        with pytest.raises(Raised, match="^HubError: .*not in the cache"):
            load(repo_id, local_files_only=True)
    hub.faults.clear()
    assert load(repo_id)["width"] == 2


def test_a_download_that_is_cut_is_resumed(hub, load, run, repo_id, files):
    hub.add(repo_id, files)
    hub.faults.append(Fault("GET /storage", body=1000, times=1))
    load(repo_id, revision="main")
    assert sum("GET /storage" in line for line in hub.requests) == 2
    assert cached_weights(run) == files["model.safetensors"].hex()


def test_a_download_that_breaks_midway_leaves_nothing(hub, load, run, repo_id, files):
    hub.add(repo_id, files)
    hub.faults += [Fault("GET /storage", body=1000, times=1), Fault("GET /storage", body=0)]
    with pytest.raises(Raised, match="^HubError: The connection to .* failed .*try again"):
        load(repo_id)
    with pytest.raises(Raised, match="^HubError: .*not in the cache"):
        load(repo_id, local_files_only=True)
    hub.faults.clear()
    load(repo_id)
    assert cached_weights(run) == files["model.safetensors"].hex()


def test_what_is_not_there_is_told(hub, load, repo_id, files):
    def refused(name, message, **options):
        with pytest.raises(Raised, match=f"^HubError: .*{message}"):
            load(name, **options)

    hub.add(repo_id, {"config.json": files["config.json"]})
    refused("ann/nowhere", "no repository ann/nowhere, or it is private: check the spelling")
    refused(repo_id, "has no model.safetensors, so it is not a colorzoo model")
    refused(repo_id, "has no revision 'v9': pass a branch", revision="v9")
    refused(
        repo_id, "not in the cache, and local_files_only", revision="0" * 40, local_files_only=True
    )
    refused("ann/a/b", "'ann/a/b' is neither a Hub repository id")
    hub.add("ann/empty")
    refused("ann/empty", "has no config.json")


@pytest.mark.parametrize("config", [None, b'{"architectures": ["Net"]}', "own"])
def test_pickles_are_refused(hub, load, repo_id, files, config):
    own = {"config.json": files["config.json"] if config == "own" else config}
    hub.add(repo_id, {"pytorch_model.bin": b"\x80\x04", **({} if config is None else own)})
    with pytest.raises(Raised, match=r"HubError: .*as a pickle \(pytorch_model.bin\).*any code"):
        load(repo_id)
    assert not any("resolve" in line and ".bin" in line for line in hub.requests)


def test_another_librarys_model_is_refused_before_weights_are_fetched(hub, load, repo_id, files):
    foreign = {"config.json": b'{"architectures": ["Net"], "colorzoo_version": "9.1"}'}
    hub.add(repo_id, files | foreign)
    with pytest.raises(Raised, match=r"ConfigError: .*architecture None.*colorzoo 9.1 wrote it"):
        load(repo_id)
    assert not any("model.safetensors" in line for line in hub.requests)


def test_an_absurd_size_is_refused_before_its_weights_are_fetched(hub, load, repo_id, files):
    huge = {**json.loads(files["config.json"]), "width": 10**6}
    hub.add(repo_id, files | {"config.json": json.dumps(huge).encode()})
    with pytest.raises(Raised, match=r"ConfigError: .*7,574,000,394,000,020 parameters"):
        load(repo_id)
    assert not any("model.safetensors" in line for line in hub.requests)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_that_is_absurdly_large_is_not_fetched(hub, load, repo_id, files, name):
    repo = hub.add(repo_id, files)
    hub.faults.append(Fault(f"main/{name}" if name == "config.json" else name, claimed=10**11))
    with pytest.raises(Raised, match=rf"HubError: The {name} of {repo_id} has 100,00.*not downlo"):
        load(repo_id)
    asked = [line for line in hub.requests if line.startswith("GET") and "/api/" not in line]
    assert not any(name in line or "storage" in line for line in asked)
    hub.faults.clear()
    assert load(repo_id, revision=repo.refs["main"])["width"] == 2


def test_what_else_a_repository_holds_is_never_fetched(hub, load, repo_id, files, tmp_path):
    """Names that lead out of the cache, code, and pickles beside the weights."""
    hostile = ["../../escaped.txt", "/etc/escaped.txt", "modeling.py", "pytorch_model.bin"]
    hub.add(repo_id, {**files, **dict.fromkeys(hostile, b"import os"), "config.json.lock": b""})
    load(repo_id)
    fetched = {line.rpartition("/")[2] for line in hub.requests if "/resolve/" in line}
    assert fetched == {"config.json", "model.safetensors"}
    assert not list(tmp_path.rglob("*escaped*")) and not list(tmp_path.rglob("*.py"))


@pytest.mark.parametrize(
    "revision",
    ["../../../main", "refs/pr/../../x", "main?x=1", "main#x", "a\r\nX: y", "%2e%2e"],
)
def test_revisions_are_names_and_nothing_else(hub, load, repo_id, files, revision):
    hub.add(repo_id, files)
    with pytest.raises(Raised, match="^HubError: "):
        load(repo_id, revision=revision)
    assert all(f"/{repo_id}/" in line for line in hub.requests)


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
            os.remove(re.search(r"Delete (\\S+) and download", str(error))[1])
        colorzoo.load(repo_id, cache_dir=cache)
        os.truncate(path, 9000)
        type(model).from_pretrained(repo_id, cache_dir=cache, force_download=True)
        colorzoo.load(repo_id, cache_dir=cache)
    """)


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
