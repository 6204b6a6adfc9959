"""efficientnet-bins: cross-entropy over ab bins, rebalanced in to_ab() instead of in training.

The bundled weights are those after ten epochs, 2.2 hours on one CPU core. 33,000 seconds on a core
that does nothing else give about 50, but not a better model: with these 40,753 photos, the loss of
the validation photos was lowest after ten epochs (3.003) and rose to 3.027 in the next five, while
that of the training photos kept falling. Longer runs need more photos or more regularisation, such
as ``--encoder-rate 0.1``. For a GPU, there is a command in docs/training.md.
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
