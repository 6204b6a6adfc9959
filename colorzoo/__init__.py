"""colorzoo: a zoo of neural networks that colour black-and-white photos.

What is public is listed in ``__init__.pyi``; each name is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
