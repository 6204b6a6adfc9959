"""efficientnet-bins: cross-entropy over ab bins, rebalanced in to_ab() instead of in training.

On a CPU core, 33,000 seconds give about 25 epochs. On a GPU, the same recipe takes ten minutes with
``--device cuda --compile --batch-size 256 --learning-rate 3e-3 --limit-seconds 420``.
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
