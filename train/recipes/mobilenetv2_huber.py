"""mobilenetv2-huber: a U-Net on an ImageNet encoder, Huber loss on ab. The accurate one.

The bundled weights took 11 epochs on one CPU core; their encoder started from Google Coral's
MobileNetV2.
"""

from train.recipe import Recipe

RECIPE = Recipe(
    model="mobilenetv2-huber",
    loss="huber",
    start="imagenet",
    learning_rate=1e-3,
    sides=((0.0, 96), (0.6, 128)),
    options="--limit-seconds 4000 --start mobilenetv2_100.safetensors",
)
