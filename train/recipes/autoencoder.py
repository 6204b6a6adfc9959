"""autoencoder: MSE on ab, which predicts the mean of all colours that an object can have.

The bundled weights took 8 epochs on one CPU core.
"""

from train.recipe import Objective, Recipe

RECIPE = Recipe(model="autoencoder", objective=Objective("mse"), options="--limit-seconds 5100")
