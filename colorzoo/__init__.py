"""colorzoo: a zoo of neural networks that colour black-and-white photos.

``__init__.pyi`` lists the public names. Each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
