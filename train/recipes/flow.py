"""flow: conditional flow matching on what efficientnet-bins sees.

No weights are bundled yet. Where paths start was chosen by equal runs of 600 seconds on 12,000
photos, with one path a photo. On 40 of the validation photos, PSNR of one sample and of the best of
10, and colourfulness in 8 and in 4 steps (that of the photos is 46.0) were:

| source | one | best of 10 | CF, 8 steps | CF, 4 steps |
| --- | --: | --: | --: | --: |
| "mean" | 20.98 dB | 23.39 dB | 38.5 | 34.8 |
| "gray" | 20.90 dB | 23.52 dB | 36.6 | 31.8 |

A third one was worse, and its results had patches: smooth noise, with the spectrum of photos, as
strong as efficientnet-bins is unsure (as in PriorGrad, Lee et al. 2022); 20.40 dB, 22.60 dB, 41.4.

With "mean", shorter first steps (rho of ``flow_times``) made the best of 10 better, at nearly the
same quality of one: rho 1: 20.98 and 23.39 dB, CF 38.5; 1.5: 20.93 and 23.53 dB, 38.9; 2: 20.87 and
23.51 dB, 39.6.
"""

from train.recipe import FlowMatching, Recipe

RECIPE = Recipe(
    model="flow",
    objective=FlowMatching("mse"),
    start="efficientnet-bins",
    keep="last",
    epochs=200,
    batch_size=32,
    learning_rate=5e-4,
    weight_decay=0.0,
    betas=(0.9, 0.99),
    sides=((0.0, 128),),
    ema_decay=0.9995,
)
