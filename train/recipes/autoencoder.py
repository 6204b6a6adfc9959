"""autoencoder: MSE on ab, which answers with the mean of the colours a thing can have."""

from train.recipe import Recipe

RECIPE = Recipe(model="autoencoder", loss="mse")
