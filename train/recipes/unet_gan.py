"""unet-gan: the L1-trained U-Net, trained further with a discriminator (hinge + L1) to be bolder.

The bundled weights took 2 epochs on one CPU core.
"""

from train.recipe import Adversarial, Recipe

RECIPE = Recipe(
    model="unet-gan",
    start="unet",
    objective=Adversarial("l1", variant="hinge", l1_weight=60.0, width=32, learning_rate=4e-4),
    keep="last",
    epochs=12,
    batch_size=16,
    learning_rate=2e-4,
    weight_decay=0.0,
    betas=(0.5, 0.999),
    sides=((0.0, 96), (0.6, 128)),
    options="--limit-seconds 780 --limit-photos 12000",
)
