"""autoencoder: MSE on ab, which answers with the mean of the colours a thing can have.

The bundled weights took ``--limit-seconds 5100`` on one CPU core, 8 epochs.
"""

from train.recipe import Recipe

RECIPE = Recipe(model="autoencoder", loss="mse")
