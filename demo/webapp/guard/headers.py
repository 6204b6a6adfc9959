"""The headers that tell browsers what a page may do, and the checks of who asks."""

import base64
import hashlib
import os
import re

from starlette.datastructures import Headers, MutableHeaders

from webapp.guard.refusal import Refusal

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# What Gradio may show in the browser; everything else is downloaded.
_SHOWN = {"image/jpeg", "image/png", "image/gif", "image/webp"}
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", re.ASCII)
_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
# Spaces shows its own bar on the page.
_HUB = " https://huggingface.co https://*.huggingface.co" if os.environ.get("SPACE_ID") else ""
_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=(), "
    "payment=(), usb=(), serial=(), midi=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NOTHING = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"


def page_policy(html: bytes) -> str:
    """Return the Content-Security-Policy of the page, which allows its own inline scripts only.

    Gradio's interface needs ``eval`` for the ``js=`` of events, and inline styles.
    """
    hashes = sorted(
        {
            f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
            for script in _SCRIPT.findall(html)
        }
    )
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' 'unsafe-eval' {' '.join(hashes)}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            f"img-src 'self' data: blob:{_HUB}",
            "font-src 'self' data:",
            f"connect-src 'self' data: blob:{_HUB}",
            "media-src 'self' blob:",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "base-uri 'self'",
            "form-action 'self'",
            "object-src 'none'",
            "frame-ancestors 'self' https://huggingface.co https://*.hf.space",
        ]
    )


def mark(headers: MutableHeaders, *, is_file: bool) -> None:
    """Add the headers that every answer has, and those that keep files from running as pages.

    Args:
        headers: The headers of the answer.
        is_file: Whether it is a visitor's file.
    """
    headers.update(_EVERYWHERE)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("text/html", "text/css", "text/javascript", "application/javascript"):
        headers["Content-Security-Policy"] = _NOTHING
    if is_file and kind not in _SHOWN:
        headers["Content-Type"] = "application/octet-stream"
        disposition = headers.get("content-disposition", "attachment")
        headers["Content-Disposition"] = re.sub(r"^\s*[\w-]+", "attachment", disposition)
        headers["Content-Security-Policy"] = _NOTHING


def check_asker(headers: Headers, hosts: frozenset[str] | None) -> None:
    """Check that a request is meant for this server and does not come from another site.

    Programs send no Origin. A browser sends that of the page that asks; other sites have no
    business here, and "null" is what they send if they hide.

    Args:
        headers: Those of the request.
        hosts: The names under which the server may be asked; None means any. A page that makes its
            own name point to this machine is told apart by it.

    Raises:
        Refusal: If not.
    """
    host, forwarded = headers.get("host", ""), _first(headers.get("x-forwarded-host", ""))
    for value in filter(None, (host, forwarded)):
        if not _HOST.fullmatch(value):
            raise Refusal(400, "The name of the server in the request is not valid.")
    if hosts is not None and _name(host) not in hosts:
        raise Refusal(
            403,
            f"This server is not for {host!r:.80}. Behind a proxy, start it with GRADIO_ROOT_PATH "
            "set to its public address.",
        )
    origin = headers.get("origin")
    if origin is None:
        return
    scheme, _, place = origin.partition("://")
    own = {_normal(value) for value in (host, forwarded) if value}
    is_public = _name(place) in (hosts or frozenset()) - {*LOOPBACK}
    if scheme not in ("http", "https") or not (is_public or _normal(place) in own):
        raise Refusal(403, "Other sites cannot use this page: open it at its own address.")


def _first(value: str) -> str:
    return value.partition(",")[0].strip()


def _name(host: str) -> str:
    """Return a host's name without its port."""
    return re.sub(r":\d+$", "", host).strip("[]").lower()


def _normal(host: str) -> str:
    """Return a host's name and port, without the port that is understood."""
    return re.sub(r":(80|443)$", "", host).lower()
