"""Results with 16 bits a channel, for scans that have them."""

import numpy as np
from typing_extensions import Unpack

from colorzoo.colorizer import Colorizer
from colorzoo.guided.apply import keep_gray
from colorzoo.imaging.read import Photo
from colorzoo.imaging.recombine import merge_deep
from colorzoo.options import Options, check_saturation, given
from colorzoo.prediction import Prediction


def render_deep(
    model: Colorizer,
    photo: Photo,
    prediction: Prediction,
    *,
    saturation: float = 1.0,
    **options: Unpack[Options],
) -> np.ndarray:
    """Colour a photo with 16 bits a channel. :func:`colorzoo.save_deep` writes the result.

    Examples:
        >>> photo = colorzoo.read_photo("scan.tif", deep=True)
        >>> model = colorzoo.load("unet")
        >>> pixels = colorzoo.render_deep(model, photo, model.predict(photo))
        >>> colorzoo.save_deep(pixels, "coloured.tif", like=photo)
        >>> pixels.dtype
        dtype('uint16')

    Args:
        model: The model.
        photo: A photo with ``gray16``: read with ``deep=True`` from a source with 16 bits.
        prediction: The prediction of this model for the photo.
        saturation: Factor on ab: 0 is gray, 1 is what the network predicts.
        options: See :meth:`colorzoo.Colorizer.render`.

    Returns:
        (H, W, 3) uint16, gamma-encoded sRGB. Where the colour is inside sRGB, its lightness is that
        of the source to within rounding.

    Raises:
        ConfigError: If the model does not support an option.
        ValueError: If the photo has no ``gray16``, or a number is out of range.
    """
    check_saturation(saturation)
    if photo.gray16 is None:
        raise ValueError(
            f"{photo.name} has no gray16: read it with deep=True, or use model.render() if it has "
            "only 8 bits a channel"
        )
    ab = model.ab_of(prediction, saturation=saturation, **options)
    pixels = merge_deep(photo.gray16, prediction.lightness, ab, prediction.box)
    return keep_gray(pixels, photo.gray16, given(options, model.defaults).get("hints") or ())
