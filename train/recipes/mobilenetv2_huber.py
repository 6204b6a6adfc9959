"""mobilenetv2-huber: a U-Net on an ImageNet encoder, Huber loss on ab. The accurate one."""

from train.recipe import Recipe

RECIPE = Recipe(
    model="mobilenetv2-huber",
    loss="huber",
    start="imagenet",
    learning_rate=1e-3,
    sides=((0.0, 96), (0.7, 128)),
    degraded=0.25,
    options="--start FIRST --limit-seconds 5600 --memory device --precision 32-true",
)
