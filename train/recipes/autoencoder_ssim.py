"""autoencoder-ssim: structural similarity of ab instead of an error of single pixels; Adam."""

from train.recipe import Recipe

RECIPE = Recipe(
    model="autoencoder-ssim",
    loss="ssim",
    weight_decay=0.0,  # AdamW without decay is Adam
    split=(0.70, 0.15, 0.15),
)
