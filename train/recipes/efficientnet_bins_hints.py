"""efficientnet-bins-hints: efficientnet-bins, trained further with simulated hints.

It starts from the bundled weights of efficientnet-bins, with weights of 0 for the hints; other
weights of that network are given by their folder, with ``--start``. It has no bundled weights yet.
"""

from train.recipe import Recipe, WithHints

RECIPE = Recipe(
    model="efficientnet-bins-hints",
    objective=WithHints("bins-plain"),
    start="efficientnet-bins",
    keep="val_loss",
    learning_rate=5e-4,
    sides=((0.0, 128),),
    degraded=0.25,
)
