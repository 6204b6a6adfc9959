"""Who asks: what tells one visitor or program from another."""

import ipaddress
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

ANONYMOUS = ""


class Client(NamedTuple):
    """A visitor or program.

    Attributes:
        address: Its network, or None if that does not distinguish visitors.
        session: Its session, for calls outside one: ``ANONYMOUS``.
    """

    address: str | None
    session: str

    @property
    def owner(self) -> str:
        """To whom files and work are attributed: all sessions of an address are one."""
        return self.address or self.session


def client_of(request: Any, session: str | None) -> Client:
    """Identify the client of a request.

    Args:
        request: A request of Gradio or FastAPI, or None.
        session: The session's hash, if any.
    """
    host = getattr(getattr(request, "client", None), "host", None)
    headers = getattr(request, "headers", None) or {}
    return Client(address_of(host or "", headers), session or ANONYMOUS)


def address_of(host: str, headers: Mapping[str, str]) -> str | None:
    """Return an address that a visitor cannot choose freely; None if there is none.

    On a Space, all requests come from proxies. Each adds the address of its own client at the end
    of x-forwarded-for; what comes before that is the visitor's own claim. Elsewhere, uvicorn has
    already applied the header if FORWARDED_ALLOW_IPS says so.

    Args:
        host: The other end of the connection.
        headers: Those of the request.
    """
    if not os.environ.get("SPACE_ID"):
        address = _ip(host)
        return None if address is None or address.is_loopback else _network(address)
    for each in reversed((headers.get("x-forwarded-for") or "")[-1000:].split(",")):
        address = _ip(each.strip())
        if address is not None and address.is_global:
            return _network(address)
    return None


_IP = ipaddress.IPv4Address | ipaddress.IPv6Address


def _ip(host: str) -> _IP | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(address: _IP) -> str:
    # A customer of an IPv6 provider has at least 2**64 addresses.
    length = 32 if address.version == 4 else 64
    return str(ipaddress.ip_network((address, length), strict=False))
