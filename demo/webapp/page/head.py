"""What the page says about itself to search engines and to whoever shows a link to it."""

import html
import re
from collections.abc import Callable

TITLE = "colorzoo: old photos in colour"
DESCRIPTION = (
    "Drop in a black-and-white photo and see it in colour at once. Choose among several versions, "
    "and download it at full size."
)

_OWN_OF_GRADIO = re.compile(
    rb'<meta\s+(?:property="og:|name="(?:twitter:|description"))[^>]*>\s*', re.DOTALL
)
_ROOT = re.compile(rb'"root":\s*"(https?://[^"\\\s]+)"')


def rewriter(picture: str) -> Callable[[bytes], bytes]:
    """Return what replaces Gradio's words about the page, which are about Gradio, with its own.

    Args:
        picture: Path of a picture that the server gives away.
    """

    def rewrite(page: bytes) -> bytes:
        page = _OWN_OF_GRADIO.sub(b"", page)
        found = _ROOT.search(page)
        root = found[1].decode(errors="replace").rstrip("/") if found else ""
        address = f"{root}/gradio_api/file={picture}"
        told = [
            ("name", "description", DESCRIPTION),
            ("property", "og:type", "website"),
            ("property", "og:title", TITLE),
            ("property", "og:description", DESCRIPTION),
            ("property", "og:image", address),
            ("name", "twitter:card", "summary_large_image"),
        ]
        lines = "".join(
            f'<meta {kind}="{name}" content="{html.escape(words)}" />\n\t\t'
            for kind, name, words in told
        )
        lines += f"<title>{html.escape(TITLE)}</title>\n\t"
        return page.replace(b"</head>", lines.encode() + b"</head>", 1)

    return rewrite
