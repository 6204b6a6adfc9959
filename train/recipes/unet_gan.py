"""unet-gan: the L1-trained U-Net, trained further with a discriminator (hinge + L1) to be bolder.

The bundled weights took 36 minutes on a CPU core: 4,800 steps of the discriminator alone and 1,340
of both. They were chosen by eye among the checkpoints of a run of 7,200 seconds, and mixed with
those of ``unet``, from which the run started: ``train interpolate unet GAN --share 0.5``.

Later checkpoints are bolder, and fewer of their results plausible: of 40 test photos, two people
found 20 and 15, and 16 and 14, and 11 and 8 after 8 and 16 minutes more. Of the mixtures, two other
people found plausible and wrong:

| share | 40 photos of test.tar | 13 old photographs | PSNR and AuC, 150 of val.tar | CF |
| --: | --- | --- | --- | --: |
| 0 (``unet``) | not judged | not judged | +1.12 dB, +1.46 over gray | 16.6 |
| 0.5 | 30, 0 and 30, 1 | 12, 0 and 7, 0 | +1.07 dB, +1.46 | 18.1 |
| 0.7 | 28, 2 and 25, 2 | 10, 0 and 8, 0 | +1.00 dB, +1.42 | 19.2 |
| 0.85 | 25, 4 and 24, 4 | 5, 0 and 4, 0 | not measured | |
| 1 | 15, 5 and 18, 4 | 1, 0 and 2, 3 | +0.75 dB, +1.23 | 22.2 |
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
