"""efficientnet-bins: cross-entropy over ab bins, rebalanced in to_ab() instead of in training.

The bundled weights are those after ten epochs, 2.2 hours on one CPU core. 33,000 seconds on a core
that does nothing else give about 50. For a GPU, there is a command in docs/training.md.
"""

from train.recipe import Objective, Recipe

RECIPE = Recipe(
    model="efficientnet-bins",
    objective=Objective("bins-plain"),
    start="imagenet",
    keep="val_loss",
    learning_rate=1e-3,
    sides=((0.0, 96), (0.7, 128)),
    degraded=0.25,
    options="--limit-seconds 33000 --memory device --precision 32-true",
)
