"""The recipes, one file per model; ``find_recipe`` looks up one by the model's registered name."""

import importlib
import pkgutil

from colorzoo.registry import find_model
from train.recipe import Recipe


def find_recipe(name: str) -> Recipe:
    """Return the recipe of a registered model, or of the model whose weights it uses.

    Raises:
        LookupError: If no file in train/recipes defines one for it.
    """
    recipes = {}
    for module in pkgutil.iter_modules(__path__):
        recipe = importlib.import_module(f"{__name__}.{module.name}").RECIPE
        recipes[recipe.model] = recipe
    info = find_model(name)
    if info is not None:
        name = info.weights_of or info.name
    if name not in recipes:
        raise LookupError(
            f"there is no recipe for {name!r} in train/recipes, only for "
            f"{', '.join(sorted(recipes))}: add a file with its RECIPE"
        )
    return recipes[name]
