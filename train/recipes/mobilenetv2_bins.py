"""mobilenetv2-bins: cross-entropy over ab bins, rebalanced when it colours and not in training.

The bundled weights took 13 epochs on one CPU core: six of a first run with a wider decoder, whose
encoder they started from, and seven of this recipe.
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
