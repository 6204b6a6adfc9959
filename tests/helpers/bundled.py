"""The models whose weights come with the package; others would have to be downloaded."""

import colorzoo

BUNDLED = [name for name in colorzoo.list_models() if colorzoo.model_info(name).weights]
