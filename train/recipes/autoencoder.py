"""autoencoder: MSE on ab, which answers with the mean of the colours a thing can have.

The bundled weights took 8 epochs on one CPU core.
"""

from train.recipe import Recipe

RECIPE = Recipe(model="autoencoder", loss="mse", options="--limit-seconds 5100")
