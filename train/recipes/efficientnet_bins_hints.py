"""efficientnet-bins-hints: efficientnet-bins, trained further with simulated hints.

It starts from the bundled weights of efficientnet-bins, with weights of 0 for the hints; other
weights of that network are given by their folder, with ``--start``.

It has no bundled weights yet. 90 minutes on a CPU core gave 3.5 dB by ten hints and 6.4 dB by
fifty, about as much as other models gain without being trained for hints, and cost 0.1 dB without
hints. The encoder has to learn, too: with ``--encoder-rate 0.1``, ten hints added 0.4 dB after an
epoch, and without it 2.9 dB.
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
