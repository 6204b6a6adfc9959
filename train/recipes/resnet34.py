"""resnet34: MSE on ab with an encoder that starts from ImageNet, ending at 224 px."""

from train.recipe import Recipe

RECIPE = Recipe(
    model="resnet34",
    loss="mse",
    start="imagenet",
    learning_rate=6e-4,
    sides=((0.0, 96), (0.5, 128), (0.88, 224)),
)
