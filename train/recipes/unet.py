"""unet: L1 on ab. Robust to the many colours a thing can have, so cautious: it fades to gray."""

from train.losses import l1
from train.recipe import Recipe

RECIPE = Recipe(model="unet", loss=l1)
