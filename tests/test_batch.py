"""Batches of photos: by hand, by datasets, and on a Ray cluster that loses a worker."""

import errno
import io
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

import colorzoo
from colorzoo import images
from colorzoo.cli.batch import main
from colorzoo.jobs.dataset import Colorize
from colorzoo.jobs.plan import Outcome, plan
from colorzoo.jobs.ray import for_workers, split_refused
from colorzoo.jobs.report import RunReport


@pytest.fixture
def model(tmp_path) -> Path:
    """A small model, which loads and runs in no time."""
    folder = tmp_path / "model"
    colorzoo.create_model("unet", width=2, work_size=32).save_pretrained(folder)
    return folder


@pytest.fixture
def gray(rng) -> np.ndarray:
    return rng.integers(0, 256, (40, 48), np.uint8)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def pixels_of(encoded: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)))


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# By hand


def test_every_kind_of_photo_is_coloured_alike(model, gray, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(png(gray))
    kinds = [
        *(png(gray), memoryview(png(gray)), str(path), path, gray, Image.fromarray(gray)),
        *({"bytes": png(gray), "path": None}, {"bytes": None, "path": str(path)}),
    ]
    expected = np.asarray(colorzoo.load(model).colorize(gray, saturation=1.5))
    result = Colorize(model, device="cpu", saturation=1.5)({"image": kinds})
    assert result.keys() == {"coloured", "error"}
    assert result["error"] == [""] * len(kinds)
    for encoded in result["coloured"]:
        assert (pixels_of(encoded) == expected).all()


def test_a_photo_that_fails_costs_its_row_only(model, gray):
    bad = [b"", b"no photo", png(gray)[:200], None, [1, 2], {"bytes": None, "path": None}, "no.png"]
    batch = {"image": [png(gray), *bad, png(gray)], "id": np.arange(9), "path": list("abcdefghi")}
    result = Colorize(model, keep=["id"], suffix=".jpg")(batch)
    assert list(result["id"]) == list(range(9)) and result["path"] == list("abcdefghi")
    first, *failed, last = result["coloured"]
    assert first == last and pixels_of(first).shape == (40, 48, 3) and failed == [b""] * 7
    assert result["error"][0] == result["error"][-1] == ""
    empty, other, cut, none, numbers, nothing, missing = result["error"][1:-1]
    assert empty.startswith("b: is empty") and other.startswith("c: is no picture")
    assert cut.startswith("d: cannot be decoded") and none.startswith("e: the row holds NoneType")
    assert numbers.startswith("f: the row holds list, expected bytes, a path, a PIL image")
    assert nothing.startswith("g: the row holds NoneType")
    assert missing == "no.png: there is no such file; check the path"


@pytest.mark.parametrize(
    ("options", "batch", "error", "message"),
    [
        ({}, {"label": [1], "x": [2]}, colorzoo.ConfigError, "columns 'label', 'x', expected 'byt"),
        ({"column": "jpg"}, {"image": []}, colorzoo.ConfigError, "columns 'image', expected 'jpg'"),
        ({"seed": 1}, {"image": []}, colorzoo.ConfigError, "unet is no model over colour bins"),
        ({"saturation": -1}, {"image": []}, ValueError, "saturation"),
        ({"work_size": 1}, {"image": []}, ValueError, "work_size"),
    ],
)
def test_what_would_fail_at_every_photo_fails_at_once(options, batch, error, message):
    with pytest.raises(error, match=message):
        Colorize("unet", device="cpu", **options)(batch)


def test_arguments_that_exclude_each_other():
    with pytest.raises(colorzoo.ConfigError, match="root and overwrite are for files"):
        Colorize(root="photos")
    with pytest.raises(colorzoo.ConfigError, match=r"suffix must be one of .*, got \.gif"):
        Colorize(suffix=".gif")


def test_a_model_over_bins_draws_by_its_seed(gray):
    result = Colorize("unet-bins", seed=3, temperature=0.5)({"image": [gray]})
    expected = colorzoo.load("unet-bins").colorize(gray, seed=3, temperature=0.5)
    assert (pixels_of(result["coloured"][0]) == np.asarray(expected)).all()


def test_no_weights_travel(model, gray):
    colorize = Colorize(model, keep=["id"])
    fresh = pickle.dumps(colorize)
    result = colorize({"image": [gray], "id": [7]})
    assert pickle.dumps(colorize) == fresh and len(fresh) < 2000
    again = pickle.loads(fresh)  # noqa: S301  (what it has just written)
    assert again({"image": [gray], "id": [7]}) == result


def test_import_loads_neither_ray_nor_datasets():
    code = "import sys, colorzoo; print('colorzoo.batch' in sys.modules); import colorzoo.batch;"
    run = subprocess.run(
        [sys.executable, "-c", f"{code} print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    eager, loaded = run.stdout.splitlines()
    assert eager == "False"
    assert "colorzoo.batch" in loaded.split()
    assert not {"ray", "datasets", "pyarrow", "pandas"} & set(loaded.split())


# Files


@pytest.fixture
def album(tmp_path, gray) -> Path:
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    Image.fromarray(gray).save(folder / "a.jpg")
    Image.fromarray(gray).save(folder / "sub" / "b.png")
    Image.fromarray(gray).save(folder / "sub" / "c.gif")
    return folder


def test_results_are_named_like_their_photos(model, album, tmp_path):
    paths = sorted(map(str, album.rglob("*.*")))
    out = tmp_path / "out"
    result = Colorize(model, output=out, root=album)({"path": np.array(paths)})
    assert names(out) == ["a.jpg", "sub/b.png", "sub/c.png"]
    assert result["output"] == [str(out / name) for name in names(out)]
    assert result["status"] == ["done"] * 3 and result["error"] == [""] * 3
    assert set(zip(result["width"], result["height"], strict=True)) == {(48, 40)}
    expected = colorzoo.load(model).colorize(album / "sub" / "b.png")
    assert (np.asarray(Image.open(out / "sub" / "b.png")) == np.asarray(expected)).all()
    # As those write who hold the photos themselves.
    encoded = [Path(path).read_bytes() for path in paths]
    again = tmp_path / "again"
    Colorize(model, output=again, root=album)({"bytes": encoded, "path": paths})
    decoded = {"image": [Image.open(path) for path in paths]}
    assert Colorize(model, output=again, root=album)(decoded)["status"] == ["skipped"] * 3
    assert names(again) == names(out)
    for name in names(out):
        assert (again / name).read_bytes() == (out / name).read_bytes()


def test_what_is_there_and_whole_is_not_made_again(model, album, tmp_path):
    out = tmp_path / "out"
    batch = {"path": sorted(map(str, album.rglob("*.*")))}
    Colorize(model, output=out, root=album)(batch)
    whole = {name: (out / name).read_bytes() for name in names(out)}
    kept = (out / "a.jpg").stat()
    (out / "sub" / "b.png").write_bytes(whole["sub/b.png"][:-100])
    (out / ".colorzoo-0123456789abcdef.tmp").write_bytes(b"half a photo")
    result = Colorize(model, output=out, root=album)(batch)
    assert result["status"] == ["skipped", "done", "skipped"] and result["error"] == [""] * 3
    assert {name: (out / name).read_bytes() for name in names(out)} == whole
    assert (out / "a.jpg").stat() == kept

    os.utime(album / "a.jpg", (time.time() + 60,) * 2)
    result = Colorize(model, output=out, root=album)(batch)
    assert result["status"] == ["failed", "skipped", "skipped"]
    assert "a.jpg is older than the photo" in result["error"][0]
    result = Colorize(model, output=out, root=album, overwrite=True)(batch)
    assert result["status"] == ["done", "skipped", "skipped"]


def test_no_photo_is_written_outside_the_output(model, gray, tmp_path):
    paths = ["../a.png", "/b.png", None, "c/d.png"]
    batch = {"image": [gray] * 4, "path": paths}
    out = tmp_path / "out"
    result = Colorize(model, output=out)(batch)
    assert result["status"] == ["failed"] * 3 + ["done"] and names(out) == ["c/d.png"]
    assert all("names no place in" in reason for reason in result["error"][:3])
    result = Colorize(model, output=out, root="c")(batch)
    assert result["output"] == ["", "", "", str(out / "d.png")]
    assert result["error"][0] == "../a.png does not start with c; pass root= as the paths have it"


def test_a_full_disk_leaves_the_rest(model, gray, tmp_path, monkeypatch):
    def encode(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(images, "_encode", encode)
    batch = {"image": [gray] * 8, "path": [f"{i}.png" for i in range(8)]}
    result = Colorize(model, output=tmp_path / "out")(batch)
    assert result["status"] == ["left"] * 8
    assert all(reason.startswith("there is no room left to write") for reason in result["error"])
    assert all(reason.endswith("then run this again.") for reason in result["error"])


# Ray and datasets


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
        [sys.executable, "-m", "colorzoo.batch", album, out, "--model", model]
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
    assert "failed: damaged.png: is no picture" in errors

    assert names(out) == photos  # nothing is missing, torn or there twice
    for name in photos:
        assert images.read_photo(out / name).rgb.shape == (450, 600, 3)
    *lines, summary = map(json.loads, report.read_text().splitlines())
    counts = summary["summary"]
    assert counts["done"] + counts["skipped"] == len(photos) and counts["failed"] == 1
    assert f"{counts['done']} coloured, {counts['skipped']} skipped, 1 failed, in {out}" in output
    told = [str(Path(line["source"]).relative_to(album)) for line in lines]
    assert sorted(told) == sorted([*photos, "damaged.png"])


def readme_examples(root: Path) -> list[str]:
    page = (root / "README.md").read_text().partition("## A million photos")[2]
    return re.findall(r"```python\n(.*?)```", page.partition("\n## ")[0], re.DOTALL)


@pytest.fixture
def photos(tmp_path, monkeypatch, jpeg) -> None:
    """A folder "photos" where the examples are run: three photos, one of them damaged."""
    (tmp_path / "photos").mkdir()
    for name, data in {"a.jpg": jpeg, "b.jpg": jpeg[:9000], "c.jpg": jpeg}.items():
        (tmp_path / "photos" / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_the_readmes_ray_example_runs_as_shown(cluster, photos, root, tmp_path):
    import pyarrow.parquet

    example, _ = (text.replace("/disk", str(tmp_path)) for text in readme_examples(root))
    environment = {**os.environ, "RAY_ADDRESS": cluster, "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", example], env=environment, check=True, timeout=90)
    table = pyarrow.parquet.read_table("table").sort_by("path").to_pylist()
    assert [Path(row["path"]).name for row in table] == ["a.jpg", "b.jpg", "c.jpg"]
    first, damaged, last = table
    assert damaged["coloured"] == b"" and damaged["error"].startswith("b.jpg: cannot be decoded")
    assert first["error"] == "" and first["coloured"] == last["coloured"]
    expected = images.image_bytes(colorzoo.load("unet").colorize("photos/a.jpg"), ".jpg")
    apart = pixels_of(first["coloured"]).astype(int) - pixels_of(expected)
    assert np.abs(apart).max() <= 1


def test_the_readmes_datasets_example_runs_as_shown(photos, root, tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    _, example = readme_examples(root)
    found: dict = {}
    exec(compile(example, "README.md", "exec"), found)
    rows = list(found["coloured"])
    assert [row["error"] for row in rows] == ["", ""]
    expected = np.asarray(colorzoo.load("unet").colorize("photos/a.jpg"))
    assert (np.asarray(rows[0]["coloured"]) == expected).all()


# The command


def command(*arguments: object) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(main)
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr


def test_without_ray_it_is_said_how_to_install_it(model, album, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, errors = command(album, tmp_path / "out", "--model", model)
    assert code == 1 and "\n" not in errors.strip()
    assert errors.startswith("error: This needs ray, which is not installed: pip install")
    assert "'colorzoo[distributed]'" in errors


def test_what_is_wrong_is_said_before_a_cluster_is_started(album, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    for arguments, said in [
        ((tmp_path / "model", "out"), "there is no photo in"),
        ((album, "out", "--model", "unett"), "unett"),
        ((album, "out", "--model", "unet", "--seed", "1"), "unet is no model over colour bins"),
        ((album / "a.jpg", "out"), "there is no photo in"),
    ]:
        code, errors = command(*arguments)
        assert code == 1 and errors.startswith("error: ") and said in errors


def test_only_a_folder_of_this_disk_is_made_absolute(model, monkeypatch):
    monkeypatch.chdir(model.parent)
    assert for_workers("./model") == str(model)
    assert for_workers("model") == "model"  # a registered name, whatever lies here
    assert for_workers("user/repo") == "user/repo"


def test_jobs_that_only_the_whole_shows_to_be_wrong(album, tmp_path, gray):
    Image.fromarray(gray).save(album / "sub" / "c.png")
    out, report = tmp_path / "out", tmp_path / "run.jsonl"
    jobs = plan([album], out)
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
    assert second.startswith(f"c.png: {out}/sub/c.png is the result of another one, ")
