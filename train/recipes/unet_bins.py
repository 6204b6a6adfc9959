"""unet-bins: cross-entropy over ab bins with class rebalancing (lambda 0.5), ending at 224 px.

The bundled weights took 3 epochs on one CPU core.
"""

from train.recipe import Objective, Recipe

RECIPE = Recipe(
    model="unet-bins",
    objective=Objective("bins"),
    start="unet",
    keep="val_loss",
    learning_rate=6e-4,
    sides=((0.0, 96), (0.5, 128), (0.88, 224)),
    options="--limit-seconds 2700",
)
