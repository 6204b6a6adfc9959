"""autoencoder-ssim: structural similarity of ab instead of an error of single pixels; Adam."""

from train.recipe import Recipe

RECIPE = Recipe(
    model="autoencoder-ssim",
    loss="ssim",
    learning_rate=1.3e-3,  # as found by: tune autoencoder-ssim --metric val_ssim
    weight_decay=0.0,  # AdamW without decay is Adam
    split=(0.70, 0.15, 0.15),
)
