"""efficientnet-bins-hints: efficientnet-bins, trained further with simulated hints.

It starts from the bundled weights of efficientnet-bins, with weights of 0 for the hints; other
weights of that network are given by their folder, with ``--start``.

The bundled weights took five epochs, 90 minutes on a CPU core that had other work: one with
``--encoder-rate 0.1`` and then, from its weights, 85 % of a run with the options below. The
encoder has to learn, too: ten hints added 0.4 dB after the first epoch, 2.9 dB after the second.
"""

from train.recipe import Recipe, WithHints

RECIPE = Recipe(
    model="efficientnet-bins-hints",
    objective=WithHints("bins-plain"),
    start="efficientnet-bins",
    keep="val_loss",
    learning_rate=5e-4,
    sides=((0.0, 96), (0.7, 128)),
    degraded=0.25,
    options="--limit-seconds 5200 --memory device --precision 32-true",
)
