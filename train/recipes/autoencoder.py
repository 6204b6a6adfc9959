"""autoencoder: MSE on ab, which answers with the mean of the colours a thing can have.

The bundled weights took 8 epochs on one CPU core.
"""

from train.recipe import Objective, Recipe

RECIPE = Recipe(model="autoencoder", objective=Objective("mse"), options="--limit-seconds 5100")
