"""The families: one file each. Importing this package registers them all.

A file whose name starts with an underscore is machinery, not a family.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    if not _module.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_module.name}")
