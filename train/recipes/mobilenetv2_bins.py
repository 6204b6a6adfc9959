"""mobilenetv2-bins: cross-entropy over ab bins, rebalanced in to_ab() instead of in training.

The bundled weights took 13 epochs on one CPU core: six in a first run with a wider decoder, whose
encoder was kept, and seven with this recipe.
"""

from train.recipe import Objective, Recipe

RECIPE = Recipe(
    model="mobilenetv2-bins",
    objective=Objective("bins-plain"),
    start="mobilenetv2-huber",
    keep="val_loss",
    learning_rate=1e-3,
    sides=((0.0, 96), (0.7, 128)),
    degraded=0.25,
    options="--limit-seconds 5700 --memory device --precision 32-true",
)
