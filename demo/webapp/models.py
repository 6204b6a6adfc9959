"""The models of the app: one copy of each for all visitors, and a cache of predictions."""

import copy
import json
import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from PIL import Image

import colorzoo
from colorzoo import Hint, Prediction
from colorzoo.guided.hints import check_hints
from colorzoo.imaging.read import Photo
from colorzoo.imaging.write import to_pil
from webapp import hub_models, jobs
from webapp.locks import Locks

try:  # only installed on Spaces with ZeroGPU; must be imported before CUDA is used
    import spaces  # pyright: ignore[reportMissingImports]
except ImportError:
    spaces = None

WORK_SIZES = (0, 96, 128, 192, 256, 384, 512)
KEPT_BYTES = 64_000_000  # of predictions, for all visitors together
NOT_SAMPLED = -1  # the seed of a model's default result
VIVIDNESS = 0.5  # the middle of the slider: each model's default
MAX_SAMPLES = 6  # of one model at a time
MAX_STEPS = 100

Run = TypeVar("Run", bound=Callable)


@dataclass(frozen=True)
class Settings:
    """How to colour, as set by a visitor or a program.

    Attributes:
        saturation: Factor on the colours, 0 to 2.
        strength: Share of the result, 0 to 1; the rest is the original.
        work_size: Short side of the networks' input, pixels; 0 means each model's default.
        vividness: From 0, careful, to 1, vivid, for models that support it; 0.5 means the model's
            default.
        seed: Which result to sample, for models that support it; NOT_SAMPLED means the default
            result.
        steps: For models that support it; 0 means each model's default.
        hints: Points of the photo and the colours that they should get.
        reference: Path of a colour photo, for models that support one.
    """

    saturation: float = 1.0
    strength: float = 1.0
    work_size: int = 0
    vividness: float = VIVIDNESS
    seed: int = NOT_SAMPLED
    steps: int = 0
    hints: tuple[Hint, ...] = ()
    reference: str | None = None

    def __post_init__(self) -> None:
        """Check the values: programs can send anything.

        Raises:
            ConfigError: If a value is out of range.
        """
        limits = {"saturation": (0, 2), "strength": (0, 1), "vividness": (0, 1)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not isinstance(value, int | float) or not low <= value <= high:
                raise colorzoo.ConfigError(
                    f"{name} must be a number from {low} to {high}, got {value!r}."
                )
        if type(self.work_size) is not int or self.work_size not in WORK_SIZES:
            raise colorzoo.ConfigError(
                f"work_size must be one of {', '.join(map(str, WORK_SIZES))} (0 means each model's "
                f"default), got {self.work_size!r}."
            )
        if type(self.seed) is not int or not NOT_SAMPLED <= self.seed < 2**63:
            raise colorzoo.ConfigError(
                "seed must be a whole number from 0 to 2**63 - 1, or -1 for the default result, "
                f"got {self.seed!r}."
            )
        if type(self.steps) is not int or not 0 <= self.steps <= MAX_STEPS:
            raise colorzoo.ConfigError(
                f"steps must be a whole number from 0 to {MAX_STEPS} (0 means each model's "
                f"default), got {self.steps!r}."
            )

    @property
    def options(self) -> colorzoo.Options:
        """The settings that only some models support; None means the model's default."""
        return {
            "seed": None if self.seed == NOT_SAMPLED else self.seed,
            "vividness": None if self.vividness == VIVIDNESS else self.vividness,
            "steps": self.steps or None,
            "hints": self.hints or None,
            "reference": self.reference,
        }


def hints_of(sent: Any) -> tuple[Hint, ...]:
    """Read hints as programs send them: rows of [x, y, color] or [x, y, color, radius], or JSON.

    Raises:
        ConfigError: If they are anything else.
    """
    rows: Any
    try:
        rows = json.loads(sent) if isinstance(sent, str) else sent or []
    except (ValueError, RecursionError):
        rows = None
    is_list = isinstance(rows, list) and all(isinstance(row, list) for row in rows)
    if not is_list or any(len(row) not in (3, 4) for row in rows):
        raise colorzoo.ConfigError(
            f"hints must be a list of [x, y, color] or [x, y, color, radius], got {sent!r:.100}"
        )
    check_hints([], count=len(rows))  # before any work on them
    return tuple(Hint(*row) for row in rows)


@dataclass(frozen=True)
class Answer:
    """The outcome of running one model.

    Attributes:
        name: The model.
        seconds: Time that the network took.
        prediction: The network's output; None if it failed.
        error: Why it failed, for visitors.
    """

    name: str
    seconds: float = 0.0
    prediction: Prediction | None = None
    error: str = ""


def model_names() -> list[str]:
    """List the models whose weights are here and their own: the default first, then large ones."""
    infos = [colorzoo.model_info(name) for name in colorzoo.list_models(local=True)]
    infos = [info for info in infos if info.weights_of is None]
    if not infos:
        raise colorzoo.WeightsError("The demo has nothing to show: no model has weights.")
    first = sorted(infos, key=lambda x: (x.name != colorzoo.DEFAULT_MODEL, not x.published, x.name))
    return [info.name for info in first]


def takes(name: str, option: str) -> bool:
    """Tell whether a model supports an option, such as "seed"; False if it cannot be loaded."""
    try:
        return option in get_model(name).options
    except colorzoo.ColorzooError:
        return False


def seeds(samples: int) -> tuple[int, ...]:
    """Return the seed of a model's default result, then those of the samples.

    Raises:
        ConfigError: If ``samples`` is not a whole number in range.
    """
    if type(samples) is not int or not 0 <= samples <= MAX_SAMPLES:
        raise colorzoo.ConfigError(
            f"samples must be a whole number from 0 to {MAX_SAMPLES}, got {samples!r}."
        )
    return NOT_SAMPLED, *range(1, samples + 1)


def picture_name(model: str, seed: int) -> str:
    """Name a result: "unet-bins" is the default result, "unet-bins 1" the sample with seed 1."""
    return model if seed == NOT_SAMPLED else f"{model} {seed}"


def origin(picture: str) -> tuple[str, int]:
    """Return the model and seed for a name from ``picture_name``; no model's name has a space."""
    model, _, number = picture.partition(" ")
    return model, int(number) if number else NOT_SAMPLED


_loaded: dict[str, colorzoo.Colorizer] = {}
_loading = Locks()


def get_model(name: str) -> colorzoo.Colorizer:
    """Return the shared copy of a registered model, or of one that a visitor added.

    Args:
        name: A registered name, or a key from ``hub_models.fetch``; never a folder.
    """
    if hub_models.is_key(name):
        return hub_models.get(name)
    colorzoo.model_info(name)  # registered names only: load() takes folders and Hub ids too
    if name not in _loaded:
        with _loading.hold(name):
            if name not in _loaded:
                _loaded[name] = colorzoo.load(name, local_files_only=True)
    return _loaded[name]


def warm() -> None:
    """Load every model and run it once, so that the first visitor does not wait for it."""
    if spaces is not None:  # ZeroGPU only provides GPUs during visitors' requests
        for name in model_names():
            get_model(name)
        return
    photo = colorzoo.read_photo(Image.linear_gradient("L"))
    for answer in _run_networks(model_names(), photo, Settings()):
        if answer.prediction is not None:
            render(answer.name, photo, answer.prediction, Settings())


# Predictions --------------------------------------------------------------------------------------

_Key = tuple[Hashable, ...]


class _Kept:
    """A cache of predictions.

    If it is full, the least recently used one of the visitor with the most bytes goes first.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._answers: OrderedDict[_Key, Answer] = OrderedDict()
        self._made: dict[_Key, tuple[str, float]] = {}  # for whom, and when
        self._shares: Counter[str] = Counter()  # bytes
        self._lock = threading.Lock()

    def get(self, key: _Key) -> Answer | None:
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
            return self._answers.get(key)

    def add(self, key: _Key, answer: Answer) -> None:
        with self._lock:
            self._drop(key)
            owner, size = jobs.owner(), _size(answer)
            self._answers[key], self._made[key] = answer, (owner, time.monotonic())
            self.bytes += size
            self._shares[owner] += size
            while self.bytes > KEPT_BYTES:
                self._drop(max(self._answers, key=lambda each: self._shares[self._made[each][0]]))

    def tidy(self, max_age: float) -> None:
        """Drop predictions that were made this many seconds ago: they contain small photos."""
        with self._lock:
            for key, (_, made) in list(self._made.items()):
                if time.monotonic() - made > max_age:
                    self._drop(key)

    def _drop(self, key: _Key) -> None:
        if key not in self._answers:
            return
        (owner, _), size = self._made.pop(key), _size(self._answers.pop(key))
        self.bytes -= size
        self._shares[owner] -= size
        if self._shares[owner] <= 0:
            del self._shares[owner]


PREDICTIONS = _Kept()


def _size(answer: Answer) -> int:
    if answer.prediction is None:
        return 0
    return answer.prediction.nbytes


def predict(names: Sequence[str], key: str, photo: Photo, settings: Settings) -> Iterator[Answer]:
    """Run models on a photo, one after another; cached predictions are not computed again.

    Args:
        names: The models.
        key: Identifies the photo: the path of its upload, which Gradio derives from its bytes.
        photo: The photo.
        settings: How to colour; each network gets the working size and the options that its model
            supports.

    Raises:
        gr.Error: If the job that runs them takes too long.
    """
    keys = {
        name: (key, name, settings.work_size, _network_options(name, settings)) for name in names
    }
    known = {name: PREDICTIONS.get(keys[name]) for name in names}
    fresh = [name for name, answer in known.items() if answer is None]
    running = _run_networks(fresh, photo, settings) if fresh else iter(())
    for name, answer in known.items():
        jobs.check()
        if answer is None:
            answer = next(running)
            if answer.prediction is not None:
                PREDICTIONS.add(keys[name], answer)
        yield answer


def _network_options(name: str, settings: Settings) -> tuple[Hashable, ...]:
    """Return the options that change a model's prediction, as part of the cache key."""
    try:
        wanted = get_model(name).network_options
    except colorzoo.ColorzooError:  # running the model will report it
        return ()
    options: dict[str, Any] = {**settings.options}
    return tuple((option, options[option]) for option in sorted(wanted))


def _on_gpu(function: Run) -> Run:
    """On a Space with ZeroGPU, request a GPU for each call; elsewhere do nothing."""
    return function if spaces is None else spaces.GPU(duration=60)(function)


@_on_gpu
def _run_networks(names: Sequence[str], photo: Photo, settings: Settings) -> Iterator[Answer]:
    for name in names:
        start = time.perf_counter()
        try:
            model = get_model(name)
            size = settings.work_size or model.work_size
            if hub_models.is_key(name):
                size = min(size, hub_models.MAX_WORK_SIZE)
            if torch.cuda.is_available():  # the shared copy stays on the CPU, for rendering
                model = copy.deepcopy(model).cuda()
            taken = model.taken(**settings.options)
            prediction = model.predict(photo, work_size=size, **taken).to("cpu")
        except Exception as error:  # one broken model must not stop the others
            yield Answer(name, error=words(name, error))
        else:
            yield Answer(name, time.perf_counter() - start, prediction)


def words(name: str, error: Exception) -> str:
    """Log a model's failure and return a message for visitors."""
    logging.getLogger("colorzoo.demo").exception("%s failed", name)
    is_told = isinstance(error, colorzoo.ColorzooError | ValueError)
    return str(error) if is_told else type(error).__name__


# Pictures -----------------------------------------------------------------------------------------


def render(
    name: str,
    photo: Photo,
    prediction: Prediction,
    settings: Settings,
    original: Image.Image | None = None,
) -> Image.Image:
    """Colour a photo, or a smaller copy of it, with a model's prediction.

    Args:
        name: The model.
        photo: The photo.
        prediction: The model's prediction.
        settings: How to colour.
        original: The image to blend with if strength is below 1, of the photo's size; the photo if
            None.

    Returns:
        An image with the photo's metadata.
    """
    model = get_model(name)
    taken = model.taken(**settings.options)
    result = model.render(photo, prediction, saturation=settings.saturation, **taken)
    if settings.strength < 1:
        info, original = result.info, original or to_pil(photo.rgb, photo)
        result = Image.blend(original, result, settings.strength)
        result.info = info
    return result
