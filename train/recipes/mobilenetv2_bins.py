"""mobilenetv2-bins: cross-entropy over ab bins with class rebalancing. The vivid one."""

from train.recipe import Recipe

RECIPE = Recipe(
    model="mobilenetv2-bins",
    loss="bins-plain",
    start="mobilenetv2-huber",
    keep="val_loss",
    learning_rate=1e-3,
    sides=((0.0, 96), (0.7, 128)),
    degraded=0.25,
    options="--start FIRST --limit-seconds 5700 --memory device --precision 32-true",
)
