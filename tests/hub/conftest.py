"""A Hub on this machine, and the real client in a process of its own."""

from itertools import count
from textwrap import dedent

import pytest
from helpers.hub_server import Client, HubServer
from helpers.published import CONTENT, Answer, FileServer, pinned, register_toy
from huggingface_hub import constants

import colorzoo
from colorzoo.hub import download

_names = (f"ann/model-{i}" for i in count())


@pytest.fixture(scope="session")
def server():
    with HubServer() as server:
        yield server


@pytest.fixture(scope="session")
def client(server, tmp_path_factory):
    client = Client(server.url, tmp_path_factory.mktemp("home"))
    yield client
    client.close()


@pytest.fixture
def hub(server):
    """The server, with nothing wrong and no request seen."""
    server.faults.clear()
    server.requests.clear()
    yield server
    assert not server.leaked, "a token was sent to the storage"


@pytest.fixture(scope="session")
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
def run(hub, client, cache, repo_id):
    """Run code in the client's process, with the test's own repository and cache."""

    def run(code, **values):
        return client.run(dedent(code), **{"repo_id": repo_id, "cache": cache, **values})

    return run


@pytest.fixture
def load(hub, client, cache):
    """Load a model there and check that it colours; its config."""

    def load(repo_id, **options):
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

    return load


@pytest.fixture
def cli(run):
    """Call the command line there: exit code, standard output, standard error."""

    def call(*arguments, token="hf_ann", command="push"):
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


@pytest.fixture(scope="session")
def file_server():
    """Another server than the Hub, with published checkpoints."""
    with FileServer() as server:
        yield server


@pytest.fixture
def answer(file_server, scratch_registry, monkeypatch):
    """Its answer for the toy's checkpoint, and the toy registered with that address."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    file_server.requests.clear()
    file_server.answers.clear()
    answer = file_server.answers["/toy.pth"] = Answer(CONTENT)
    register_toy(pinned(CONTENT, url=f"{file_server.url}/toy.pth"))
    return answer
