"""Other versions of a result: more careful, more vivid, and other plausible colours."""

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

import colorzoo
from colorzoo import Prediction
from webapp import models as zoo

NATURAL, VIVID, CAREFUL, RICH = "Natural", "Vivid", "Careful", "Rich"
MOST = 6  # with the natural one
_RICH_MODELS = "ddcolor*"
TRIED = 8  # samples
# In L*a*b* units, the mean over the picture: versions that are closer look the same, and a sample
# should show something new.
ALIKE, NEW = 2.5, 4.0
_COLOURED = 4.0  # mean chroma below which nobody sees a tint


@dataclass(frozen=True)
class Version:
    """A version that a visitor can choose.

    Attributes:
        name: For visitors.
        settings: How it is made.
    """

    name: str
    settings: zoo.Settings


def choose(
    model: str, prediction: Prediction, settings: zoo.Settings, *, most: int = MOST
) -> list[Version]:
    """Choose good versions that differ, the natural one first; the network is not run again.

    Args:
        model: The model.
        prediction: Its prediction for the photo.
        settings: Those of the natural version.
        most: How many there may be.

    Returns:
        At most ``most`` versions: without any that is one tint over everything, and without any
        that looks like another one.
    """
    colorizer = zoo.get_model(model)

    def ab_of(how: zoo.Settings) -> np.ndarray:
        return colorizer.ab_of(prediction, **colorizer.taken(**how.options))[0].numpy()

    found = {Version(NATURAL, settings): ab_of(settings)}
    natural = next(iter(found.values()))
    if "vividness" in colorizer.options:
        for name, vividness in ((VIVID, 1.0), (CAREFUL, 0.0)):
            how = replace(settings, vividness=vividness)
            ab = ab_of(how)
            if _gap(ab, found.values()) >= ALIKE:
                found[Version(name, how)] = ab
    if "seed" in colorizer.options:
        sampled = [replace(settings, seed=seed) for seed in range(1, TRIED + 1)]
        left = {how: ab for how in sampled if not is_tint(ab := ab_of(how), natural)}
        for number in range(1, most + 1 - len(found)):
            # The one that differs most from all that are there.
            how = max(left, key=lambda how: _gap(left[how], found.values()), default=None)
            if how is None or _gap(left[how], found.values()) < NEW:
                break
            found[Version(f"Variant {number}", how)] = left.pop(how)
    return list(found)


def rich_model() -> str | None:
    """Return the model for the version RICH, the lightest of those on this machine, or None."""
    infos = map(colorzoo.model_info, fnmatch.filter(zoo.model_names(), _RICH_MODELS))
    sizes = {info.name: info.published.size if info.published else 0 for info in infos}
    return min(sizes, key=lambda name: sizes[name], default=None)


def is_other(rich: np.ndarray, natural: np.ndarray) -> bool:
    """Tell whether the result of another model shows something new, and is not one tint.

    Args:
        rich: (2, h, w), its ab.
        natural: (2, H, W), that of the natural version, of another size perhaps.
    """
    size = natural.shape[2], natural.shape[1]
    same = np.stack(
        [np.asarray(Image.fromarray(plane).resize(size)) for plane in rich.astype("f4")]
    )
    return _gap(same, [natural]) >= NEW and not is_tint(same, natural)


def is_tint(ab: np.ndarray, natural: np.ndarray) -> bool:
    """Tell whether a sample is one tint over everything, which is no other version of the photo.

    Args:
        ab: (2, h, w), of the sample.
        natural: (2, h, w), of the natural version: some scenes have only one hue.
    """
    chroma, own = _chroma(ab), _chroma(natural)
    if chroma < _COLOURED:
        return False
    middle = ab.mean(axis=(1, 2), keepdims=True)
    spread = _chroma(ab - middle) / max(float(np.hypot(*middle.ravel())), 1e-6)
    usual = natural.mean(axis=(1, 2), keepdims=True)
    own_spread = _chroma(natural - usual) / max(float(np.hypot(*usual.ravel())), 1e-6)
    is_flat = spread < 0.15 or spread < 0.6 * min(own_spread, 1.0)
    hue, own_hue = _one_hue(ab), _one_hue(natural)
    is_cast = hue > 0.95 and hue > own_hue + 0.02 and chroma > 1.25 * own
    is_flood = hue > 0.95 and chroma > 1.6 * own
    return is_flat or is_cast or is_flood


def _one_hue(ab: np.ndarray) -> float:
    """Return how much all colours have the same hue: 1 if they do, 0 if they cancel out."""
    return float(np.hypot(*ab.mean(axis=(1, 2)))) / max(_chroma(ab), 1e-6)


def _chroma(ab: np.ndarray) -> float:
    return float(np.hypot(*ab).mean())


def _gap(ab: np.ndarray, others: Iterable[np.ndarray]) -> float:
    return min(_chroma(ab - other) for other in others)
