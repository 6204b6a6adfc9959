"""unet: L1 on ab, which predicts the median of the possible colours: cautious, often nearly gray.

The bundled weights took 8 epochs on one CPU core.
"""

from train.recipe import Objective, Recipe

RECIPE = Recipe(
    model="unet",
    objective=Objective("l1"),
    patience=10,
    split=(0.8, 0.1, 0.1),
    options="--limit-seconds 5400",
)
