"""resnet34: MSE on ab with an encoder that starts from ImageNet, ending at 224 px.

The bundled weights took 4 epochs on one CPU core. Their encoder started from timm's ResNet-18, with
the additional blocks of ResNet-34 as the identity.
"""

from train.recipe import Objective, Recipe

RECIPE = Recipe(
    model="resnet34",
    objective=Objective("mse"),
    start="imagenet",
    learning_rate=6e-4,
    sides=((0.0, 96), (0.5, 128), (0.88, 224)),
    options="--limit-seconds 3300",
)
