"""unet-gan: the L1-trained U-Net, trained further with a discriminator (hinge + L1) to be bolder.

The bundled weights took 36 minutes on a CPU core: 4,800 steps of the discriminator alone and 1,340
of both. They were chosen by eye among the checkpoints of a run of 7,200 seconds. Later ones were
bolder, and fewer of their results plausible: of 40 test photos, two people found 20 and 15, and 16
and 14, and 11 and 8 after 8 and 16 minutes more.
"""

from train.recipe import Adversarial, Recipe

RECIPE = Recipe(
    model="unet-gan",
    start="unet",
    objective=Adversarial(
        "l1",
        variant="hinge",
        l1_weight=100.0,
        width=32,
        learning_rate=4e-4,
        discriminator_alone=0.2,
    ),
    keep="last",
    epochs=12,
    batch_size=16,
    learning_rate=2e-4,
    weight_decay=0.0,
    betas=(0.5, 0.999),
    sides=((0.0, 96), (0.6, 128)),
    degraded=0.25,
    options="--limit-seconds 7200 --keep-every 10 --memory device --precision 32-true",
)
