"""The recipes, one file per model; ``find_recipe`` looks up one by the model's registered name."""

import importlib
import pkgutil

from train.recipe import Recipe


def find_recipe(name: str) -> Recipe:
    """Return the recipe of a registered model.

    Raises:
        LookupError: If no file in train/recipes defines one for it.
    """
    recipes = {}
    for module in pkgutil.iter_modules(__path__):
        recipe = importlib.import_module(f"{__name__}.{module.name}").RECIPE
        recipes[recipe.model] = recipe
    if name not in recipes:
        raise LookupError(
            f"there is no recipe for {name!r} in train/recipes, only for "
            f"{', '.join(sorted(recipes))}: add a file with its RECIPE"
        )
    return recipes[name]
