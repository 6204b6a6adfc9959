"""A Ray cluster that loses a worker, and what is decided before one is started."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from helpers.jobs import names, pixels_of
from PIL import Image

import colorzoo
from colorzoo.imaging.read import read_photo
from colorzoo.imaging.write import image_bytes
from colorzoo.jobs.plan import Outcome, plan
from colorzoo.jobs.ray import _close_doors, for_workers, split_refused
from colorzoo.jobs.report import RunReport

PAGE = Path("docs") / "many-photos.md"


@pytest.fixture(scope="module")
def cluster():
    """The address of a Ray cluster: a head that only leads, and two machines of one core each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    memory = {"object_store_memory": 128 * 2**20}
    head = {"num_cpus": 0, "include_dashboard": False, **memory}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, **memory)
        yield cluster.address
    finally:
        cluster.shutdown()


def workers_below(process: psutil.Process) -> list[psutil.Process]:
    """The processes that run Colorize for the test's own cluster."""
    found = []
    for child in process.children(recursive=True):
        try:
            if "MapWorker(MapBatches(Colorize))" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def kill_while_it_writes(out: Path) -> tuple[list[str], list[str]]:
    """Kill a worker that has begun a file; give the outputs there were, and what it left torn."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        done = [name for name in names(out) if ".colorzoo-" not in name]
        for worker in workers_below(psutil.Process()) if len(done) >= 10 else ():
            worker.suspend()
            torn = [file.path for file in worker.open_files() if ".colorzoo-" in file.path]
            if torn:
                worker.send_signal(signal.SIGKILL)
                worker.wait(timeout=30)
                return done, torn
            worker.resume()
        time.sleep(0.01)
    raise AssertionError("no worker was seen writing")


@pytest.mark.slow
def test_a_worker_that_dies_costs_no_photo(cluster, model, rng, tmp_path):
    album, out, report = tmp_path / "album", tmp_path / "out", tmp_path / "run.jsonl"
    (album / "sub").mkdir(parents=True)
    for i in range(120):
        noise = Image.fromarray(rng.integers(0, 256, (450, 600), np.uint8))
        noise.save(album / ("sub" if i % 3 else "") / f"{i:03}.png", compress_level=0)
    photos = names(album)
    (album / "damaged.png").write_bytes(b"no photo")
    run = subprocess.Popen(
        [sys.executable, "-m", "colorzoo", "batch", album, out, "--model", model]
        + ["--address", cluster, "--report", report],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    done, torn = kill_while_it_writes(out)
    assert run.poll() is None and 10 <= len(done) < len(photos)
    assert Path(torn[0]).exists()
    output, errors = run.communicate(timeout=120)
    assert run.returncode == 1, errors
    assert f"failed: {album}/damaged.png: is not a JPEG" in errors

    assert names(out) == photos  # nothing is missing, torn or there twice
    for name in photos:
        assert read_photo(out / name).rgb.shape == (450, 600, 3)
    *lines, summary = map(json.loads, report.read_text().splitlines())
    counts = summary["summary"]
    assert counts["done"] + counts["skipped"] == len(photos) and counts["failed"] == 1
    assert f"{counts['done']} coloured, {counts['skipped']} skipped, 1 failed, in {out}" in output
    told = [str(Path(line["source"]).relative_to(album)) for line in lines]
    assert sorted(told) == sorted([*photos, "damaged.png"])


def examples(root: Path) -> list[str]:
    """The examples of the section on pipelines: Ray Data, then datasets."""
    page = (root / PAGE).read_text().partition("## In a pipeline")[2]
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


@pytest.fixture
def photos(tmp_path, monkeypatch, jpeg) -> None:
    """A folder "photos" where the examples are run: three photos, one of them damaged."""
    (tmp_path / "photos").mkdir()
    for name, data in {"a.jpg": jpeg, "b.jpg": jpeg[:9000], "c.jpg": jpeg}.items():
        (tmp_path / "photos" / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_the_guides_ray_example_runs_as_shown(cluster, photos, root, tmp_path):
    import pyarrow.parquet

    example, _ = (text.replace("/disk", str(tmp_path)) for text in examples(root))
    environment = {**os.environ, "RAY_ADDRESS": cluster, "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", example], env=environment, check=True, timeout=90)
    table = pyarrow.parquet.read_table("table").sort_by("path").to_pylist()
    assert [Path(row["path"]).name for row in table] == ["a.jpg", "b.jpg", "c.jpg"]
    first, damaged, last = table
    assert damaged["coloured"] == b"" and damaged["error"].startswith("b.jpg: cannot be decoded")
    assert first["error"] == "" and first["coloured"] == last["coloured"]
    expected = image_bytes(colorzoo.load("unet").colorize("photos/a.jpg"), ".jpg")
    apart = pixels_of(first["coloured"]).astype(int) - pixels_of(expected)
    assert np.abs(apart).max() <= 1


def test_the_guides_datasets_example_runs_as_shown(photos, root, tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    _, example = examples(root)
    found: dict = {}
    exec(compile(example, str(PAGE), "exec"), found)
    rows = list(found["coloured"])
    assert [row["error"] for row in rows] == ["", ""]
    expected = np.asarray(colorzoo.load("unet").colorize("photos/a.jpg"))
    assert (np.asarray(rows[0]["coloured"]) == expected).all()


def test_only_a_folder_of_this_disk_is_made_absolute(model, monkeypatch):
    monkeypatch.chdir(model.parent)
    assert for_workers("./model") == str(model)
    assert for_workers("model") == "model"  # a registered name, whatever lies here
    assert for_workers("user/repo") == "user/repo"


def test_jobs_that_only_the_whole_shows_to_be_wrong(nested, tmp_path, gray):
    Image.fromarray(gray).save(nested / "sub" / "c.png")
    out, report = tmp_path / "out", tmp_path / "run.jsonl"
    jobs = plan([nested], out)
    old = RunReport(report, {"model": "unet"}, append=False, overwrite=False)
    old.add(Outcome(jobs[0], "done", None))
    old.finish()
    out.mkdir()
    jobs[0].target.touch()
    told = RunReport(report, {"model": "unet-bins"}, append=True, overwrite=False)
    refused, left = split_refused(jobs, told)
    assert [job.source.name for job in left] == ["b.png", "c.gif"]
    first, second = (str(outcome.reason) for outcome in refused)
    assert first == (
        f"a.jpg: {out}/a.jpg was made with model unet, not unet-bins. Choose another output folder."
    )
    assert second.startswith(f"c.png: {out}/sub/c.png is already the output for ")


@pytest.mark.parametrize("given", [{}, {"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": "x"}])
def test_what_the_user_has_decided_about_a_cluster_is_kept(monkeypatch, given):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    _close_doors()
    assert os.environ["RAY_AUTH_MODE"] == given.get("RAY_AUTH_MODE", "token")
    assert os.environ["RAY_AUTH_TOKEN"] == given.get("RAY_AUTH_TOKEN", os.environ["RAY_AUTH_TOKEN"])
    assert len(os.environ["RAY_AUTH_TOKEN"]) == (1 if given else 64)
    assert os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"


@pytest.mark.slow
def test_a_cluster_of_its_own_is_closed_to_others(album, model, tmp_path):
    """It listens on the loopback address only, demands a token, and leaves none in a file."""
    (tmp_path / "home").mkdir()
    run = subprocess.Popen(
        [sys.executable, "-m", "colorzoo", "batch", album, tmp_path / "out", "--model", model]
        + ["--workers", "1"],
        env={**os.environ, "HOME": str(tmp_path / "home")},
        stdout=subprocess.PIPE,
        text=True,
    )
    places: set[tuple[str, str]] = set()
    modes: set[str | None] = set()
    while run.poll() is None:
        for process in [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]:
            try:
                places |= {
                    (process.name(), each.laddr.ip)
                    for each in process.net_connections("inet")
                    if each.status == psutil.CONN_LISTEN
                }
                if process.name() == "raylet":
                    modes.add(process.environ().get("RAY_AUTH_MODE"))
            except psutil.Error:
                continue
        time.sleep(1)
    assert run.returncode == 0 and run.stdout is not None and "12 coloured" in run.stdout.read()
    assert {"gcs_server", "raylet"} <= {name for name, _ in places} and modes == {"token"}
    assert {ip for _, ip in places} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, places
    assert not (tmp_path / "home" / ".ray").exists()
