"""Measure time and memory for colouring a photo, compared with only decoding and encoding it.

Colouring a file cannot be faster than decoding and encoding it, which is the floor. Each model and
size is measured in a separate process, so that peak memory is that of the model alone. Runs of the
floor and the model alternate, so that other load on the machine affects both. Machines are rarely
quiet, so a model can also be measured beside a process that keeps one core busy, and four times at
once.
"""

import io
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from colorzoo._version import __version__
from colorzoo.atomic import write_whole
from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError
from colorzoo.evaluation.report import hardware
from colorzoo.imaging.read import read_photo
from colorzoo.imaging.working_size import pad
from colorzoo.imaging.write import save_image, to_pil
from colorzoo.loading import load
from colorzoo.registry import create_model, find_model

MEGAPIXELS = (0.3, 1.0, 4.0, 12.0, 50.0)
FLOOR = "decode + encode"
PHOTO = (
    "scikit-image's astronaut enlarged to 4:3, with film grain (Gaussian, sigma 6 of 255), JPEG of "
    "quality 90 with colour at half resolution; results are JPEG of quality 95 with colour at full"
)
Device = str | torch.device
Load = Literal["alone", "beside one busy process", "four runs at once"]
LOADS: tuple[Load, ...] = ("alone", "beside one busy process", "four runs at once")
_RUNS = 4

_MAX_PIXELS = 500_000_000
# Number of repeats: as many as fit into these seconds, but within these limits.
_SECONDS, _REPEATS = 4.0, (3, 15)


@dataclass(frozen=True)
class Timing:
    """The measurement of one model at one size.

    Attributes:
        model: Name of the model, or FLOOR.
        megapixels: The requested size.
        width: Width of the photo, pixels.
        height: Height of the photo, pixels.
        milliseconds: Time from file to file, with a warmed-up model; median of the repeats.
        floor: Time for decoding and encoding alone, in the same process.
        ratio: ``milliseconds`` divided by ``floor``.
        photos_per_second: Throughput, one photo after the other.
        peak_mb: Peak memory of the whole process, including Python and torch, MB.
        network: Milliseconds of the network alone, without preparing and rendering the photo; 0 for
            the floor.
        load: What else ran.
        beside_peer: Times as fast as the peer at this size and load; None without a peer.
    """

    model: str
    megapixels: float
    width: int
    height: int
    milliseconds: float
    floor: float
    ratio: float
    photos_per_second: float
    peak_mb: float
    network: float = 0.0
    load: Load = "alone"
    beside_peer: float | None = None


class _Measured(NamedTuple):
    """Milliseconds of the model (or the floor), of the floor and of the network; and peak MB."""

    milliseconds: float
    floor: float
    network: float
    peak_mb: float


def measure(
    models: Sequence[str],
    megapixels: Sequence[float] = MEGAPIXELS,
    *,
    device: Device = "cpu",
    random_weights: bool = False,
    local_files_only: bool = False,
    peer: str | None = None,
    loads: Sequence[Load] = ("alone",),
) -> Iterator[Timing]:
    """Measure the floor and the models, one size after another.

    Args:
        models: Registered names, folders or Hub ids.
        megapixels: Sizes of the photo, each from 0.01 to 500.
        device: Device on which the models run.
        random_weights: Measure registered models whose weights are not on this machine with random
            ones, instead of downloading them: they are as fast, and are marked in the name.
        local_files_only: Never access the network to load a model.
        peer: A model to compare the others with. It is never downloaded: random weights are used if
            its own are not on this machine.
        loads: What else runs meanwhile; each size is measured with each.

    Yields:
        For each size and load, the timing of the floor, then of the peer, then of the models.

    Raises:
        ConfigError: If a size is out of range.
        ColorzooError: If a model cannot be loaded.
    """
    for size in megapixels:
        if not 0.01 <= size <= _MAX_PIXELS / 1e6:
            raise ConfigError(f"megapixels must be from 0.01 to {_MAX_PIXELS / 1e6:g}, got {size}")
    labels: dict[str | None, str] = {None: FLOOR}
    names = [name for name in (peer, *models) if name is not None]
    for name in dict.fromkeys(names):  # fail now, not after minutes
        is_random = (random_weights or name == peer) and _has_no_weights(name)
        labels[name] = f"{name} (random weights)" if is_random else name
        if not is_random:
            load(name, local_files_only=local_files_only or name == peer)
    with tempfile.TemporaryDirectory() as folder:
        for size in megapixels:
            photo = Path(folder) / "photo.jpg"
            width, height = draw_photo(size, photo)
            for what in loads:
                peer_takes: float | None = None
                for name, label in labels.items():
                    is_random = label not in (name, FLOOR)
                    arguments = (name, str(photo), str(device), torch.get_num_threads(), is_random)
                    found = _under(what, arguments)
                    ms, floor = found.milliseconds, found.floor
                    timing = Timing(
                        label, size, width, height, ms, floor, ms / floor, 1000 / ms,
                        found.peak_mb, found.network, what,
                    )  # fmt: skip
                    if name == peer:
                        peer_takes = ms
                    elif peer_takes is not None:
                        timing = replace(timing, beside_peer=peer_takes / ms)
                    yield timing


def _under(what: Load, arguments: tuple[str | None, str, str, int, bool]) -> _Measured:
    """Measure in new interpreters: forked ones would start with the memory of this one."""
    context = multiprocessing.get_context("spawn")
    runs = _RUNS if what == "four runs at once" else 1
    barrier = context.Barrier(runs)
    with (
        _busy(context) if what == "beside one busy process" else nullcontext(),
        context.Pool(runs, _wait_for_each_other, (barrier,)) as pool,
    ):
        found = pool.starmap(_measure_one, [arguments] * runs, chunksize=1)
    return _Measured(*(statistics.median(each) for each in zip(*found, strict=True)))


@contextmanager
def _busy(context: SpawnContext) -> Iterator[None]:
    """Keep one core busy."""
    begun = context.Event()
    process = context.Process(target=_spin, args=(begun,), daemon=True)
    process.start()
    try:
        begun.wait()
        yield
    finally:
        process.kill()
        process.join()


def _spin(begun: Any) -> None:
    torch.set_num_threads(1)
    begun.set()
    while True:
        pass


_together: Any = None  # in a measuring process: what all of them wait at before they begin


def _wait_for_each_other(barrier: Any) -> None:
    global _together
    _together = barrier


def draw_photo(megapixels: float, path: Path) -> tuple[int, int]:
    """Write the test photo; return its width and height."""
    height = max(1, round((megapixels * 1e6 * 3 / 4) ** 0.5))
    width = round(height * 4 / 3)
    enlarged = Image.fromarray(data.astronaut()).resize((width, height), Image.Resampling.BICUBIC)
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 6, (height, width, 1)).astype(np.float32)
    pixels = (np.asarray(enlarged) + grain).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, quality=90)
    return width, height


def as_json(timings: Sequence[Timing], device: Device) -> dict[str, Any]:
    """Return the content of benchmark.json."""
    return {
        "colorzoo": __version__,
        "torch": torch.__version__,
        "hardware": hardware(torch.device(device)),
        "photo": PHOTO,
        "timings": [
            {
                key: round(value, 3) if isinstance(value, float) else value
                for key, value in asdict(timing).items()
            }
            for timing in timings
        ],
    }


def draw_plot(timings: Sequence[Timing], path: Path) -> None:
    """Plot milliseconds against megapixels, both on logarithmic scales.

    Raises:
        ConfigError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("the plot needs matplotlib: pip install matplotlib") from error
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.add_subplot(
        xscale="log", yscale="log", xlabel="megapixels", ylabel="milliseconds from file to file"
    )
    for name, what in dict.fromkeys((timing.model, timing.load) for timing in timings):
        own = [each for each in timings if (each.model, each.load) == (name, what)]
        (line,) = axis.plot(
            [timing.megapixels for timing in own],
            [timing.milliseconds for timing in own],
            marker="o",
            markersize=4,
            label=name if what == "alone" else f"{name}, {what}",
        )
        if name == FLOOR:
            line.set(color="black", linestyle="--" if what == "alone" else ":")
    axis.legend()
    axis.grid(alpha=0.3)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=120, format="png")
    write_whole(path, picture.getbuffer())


def _measure_one(
    name: str | None, path: str, device: str, threads: int, is_random: bool = False
) -> _Measured:
    """Measure the model, or the floor if None."""
    torch.set_num_threads(threads)
    model = None
    if name is not None:
        model = _random(name, device) if is_random else load(name, device=device)
    lightness = None if model is None else _input_of(model, path)
    if _together is not None:
        _together.wait()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.jpg"
        runs: list[tuple[float, float, float]] = []
        started, warm = time.perf_counter(), False
        fewest, most = _REPEATS
        while len(runs) < fewest or (len(runs) < most and time.perf_counter() - started < _SECONDS):
            floor = _seconds(None, path, target)
            whole = floor if model is None else _seconds(model, path, target)
            network = 0.0
            if model is not None and lightness is not None:
                network = _seconds_of_network(model, lightness)
            if warm:
                runs.append((whole, floor, network))
            warm = True
    whole, floor, network = (1000 * statistics.median(each) for each in zip(*runs, strict=True))
    return _Measured(whole, floor, network, _peak_mb())


def _has_no_weights(name: str) -> bool:
    info = find_model(name)
    return info is not None and not info.is_local


def _random(name: str, device: str) -> Colorizer:
    # As load() lays the weights out, which makes a difference of a fifth.
    return create_model(name).to(device).to(memory_format=torch.channels_last)


def _seconds(model: Colorizer | None, path: str, target: Path) -> float:
    start = time.perf_counter()
    photo = read_photo(path, max_pixels=_MAX_PIXELS)
    result = to_pil(photo.rgb, photo) if model is None else model.colorize_photo(photo)
    save_image(result, target)
    return time.perf_counter() - start


def _input_of(model: Colorizer, path: str) -> Tensor:
    """Return what the network sees of a photo."""
    return pad(model.shrink(read_photo(path, max_pixels=_MAX_PIXELS)), model.stride)


def _seconds_of_network(model: Colorizer, lightness: Tensor) -> float:
    with torch.inference_mode():
        start = time.perf_counter()
        model.infer(lightness)
        if lightness.is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - start


def _peak_mb() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would include the parent's memory
        lines = status.read_text().splitlines()
        return int(next(x for x in lines if x.startswith("VmHWM")).split()[1]) / 1024
    import resource  # not there on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
