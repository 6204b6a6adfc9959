"""Griffe extension: turns Sphinx roles in docstrings, such as :func:`colorzoo.load`, into links.

A name that the API reference does not have is shown as code.
"""

import re
from typing import Any

from griffe import Extension, Object

_ROLE = re.compile(r":(?:attr|class|func|meth|mod):`([\w.]+)`")
_LINK = r'<autoref identifier="\1" optional><code>\1</code></autoref>'


class SphinxRoles(Extension):
    """Rewrites each docstring when it is collected."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Replace the roles of one object's docstring."""
        if obj.docstring:
            obj.docstring.value = _ROLE.sub(_LINK, obj.docstring.value)
