"""Download the checkpoints that authors published: resumable, bounded and checked by their hash.

Files on the Hub come this way, too: ``hf_hub_download`` starts from the beginning after a process
was killed, and trusts the server about the size.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlsplit

from huggingface_hub import constants, get_session, hf_hub_url
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    build_hf_headers,
    hf_raise_for_status,
    tqdm,
)

from colorzoo._version import __version__
from colorzoo.errors import NO_SPACE, HubError, one_line
from colorzoo.hub.hashes import sha256_of
from colorzoo.hub.messages import HTTPError, hub_errors
from colorzoo.hub.published import PublishedWeights

LARGE = 50_000_000  # bytes; from here on, a terminal shows the size and a progress bar
_TRIES, _PAUSE = 3, 0.5  # in a row that bring nothing; seconds between them
_REDIRECTS = 5
# A server that sends less than this in this time is given up; what arrived is kept.
_SLOWEST, _SECONDS = 64_000, 60.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def download(
    name: str, published: PublishedWeights, part: Path, *, token: str | bool | None = None
) -> None:
    """Download a published checkpoint, or the rest of it, and check its hash.

    Args:
        name: The model, for messages.
        published: What to download.
        part: The file to write. What is there already is continued; after an error, it is kept only
            if the next call can continue it.
        token: Hub token; that of the logged-in user if None. Never sent to other hosts.

    Raises:
        HubError: If it cannot be downloaded, or is not the pinned file.
    """
    address, headers = published.url, dict[str, str]()
    if published.repo_id:
        address = hf_hub_url(published.repo_id, published.file, revision=published.revision)
        headers = build_hf_headers(
            token=token, library_name="colorzoo", library_version=__version__
        )
    if _size(part) > published.size:
        part.unlink()
    with _told(name, published, part), _bar(name, published, _size(part)) as bar:
        failures = 0
        while (before := _size(part)) < published.size:
            try:
                _continue(address, headers, part, published, bar)
            except HTTPError as error:
                if getattr(error, "response", None) is not None or _is_certificate(error):
                    raise
                failures = failures + 1 if _size(part) == before else 0
                if failures == (1 if type(error).__name__.startswith("Connect") else _TRIES):
                    raise
                time.sleep(_PAUSE * failures)
    check_hash(part, published, name)


def check_hash(path: Path, published: PublishedWeights, name: str) -> None:
    """Compare a file with the pinned hash; delete it if it is another.

    Raises:
        HubError: If it is not the pinned file.
    """
    found = sha256_of(path)
    if found != published.sha256:
        path.unlink(missing_ok=True)
        raise HubError(
            f"The file for {name} from {published.address} is not the pinned one: its SHA-256 is "
            f"{found[:16]}..., expected {published.sha256[:16]}.... It was not opened, and is "
            f"deleted. Try again; if that does not help, see {published.page}."
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _continue(
    address: str, headers: Mapping[str, str], part: Path, published: PublishedWeights, bar: Any
) -> None:
    """Make one request for what is missing, and append the answer."""
    start = _size(part)
    sent = {**headers, "Accept-Encoding": "identity"}
    if start:
        sent["Range"] = f"bytes={start}-"
    for _ in range(_REDIRECTS + 1):
        _check_address(address)
        with get_session().stream(
            "GET",
            address,
            headers=sent,
            follow_redirects=False,
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        ) as response:
            if response.status_code in (301, 302, 303, 307, 308):
                before, address = address, urljoin(address, response.headers.get("Location", ""))
                if urlsplit(address)[:2] != urlsplit(before)[:2]:  # another host gets no token
                    sent = {key: sent[key] for key in sent if key.lower() != "authorization"}
                continue
            if start and response.status_code == 416:  # what is there is not a part of this file
                part.unlink(missing_ok=True)
                bar.update(-start)
                return
            if response.status_code not in (200, 206) and published.repo_id:
                response.read()
                hf_raise_for_status(response)
            _check_answer(response, start, published)
            with part.open("ab") as file:
                if start and response.status_code == 200:  # the server sends all of it again
                    file.seek(0)
                    file.truncate()
                    bar.update(-start)
                _append(response.iter_raw(), file, published, bar)
            return
    raise HubError(f"{published.address} redirects too often: see {published.page}.")


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if not (address.isascii() and address.isprintable() and parts.hostname and parts.port != 0):
        raise HubError(f"The download leads to {address[:200]!r}, which is not an address.")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise HubError(
            f"The download leads to {address[:200]}, which is not an https address, so it is "
            "refused: anybody between could change the file."
        )


def _check_answer(response: Any, start: int, published: PublishedWeights) -> None:
    """Refuse what cannot be the file, before any of it is downloaded."""
    headers = response.headers
    if response.status_code not in (200, 206):
        raise HubError(
            f"{published.address} cannot be downloaded (HTTP {response.status_code}). If the file "
            f"has moved, {published.page} may tell where; `colorzoo convert FILE FOLDER` takes one "
            "that you have."
        )
    if "html" in headers.get("Content-Type", "").lower():
        raise HubError(
            f"{published.address} answered with a web page instead of the file. If your network "
            f"wants you to log in first, do that; otherwise see {published.page}."
        )
    length = headers.get("Content-Length", "")
    first = start if response.status_code == 206 else 0
    ranged = headers.get("Content-Range", f"bytes {first}-")
    wrong = headers.get("Content-Encoding", "identity") != "identity"
    wrong |= response.status_code == 206 and not ranged.startswith(f"bytes {first}-")
    wrong |= response.status_code == 206 and ranged.rpartition("/")[2] not in (
        str(published.size), "*", ranged
    )  # fmt: skip
    if wrong or (length and length != str(published.size - first)):
        told = int(length) + first if length.isdecimal() else 0
        raise HubError(
            f"{published.address} has another file now: "
            + (f"{told:,} bytes" if told else "it does not say how large it is")
            + f" instead of {published.size:,}. Nothing was downloaded; see {published.page}."
        )


def _append(chunks: Iterator[bytes], file: BinaryIO, published: PublishedWeights, bar: Any) -> None:
    began, got = time.monotonic(), 0
    for chunk in chunks:
        if file.tell() + len(chunk) > published.size:
            file.truncate(0)
            raise HubError(
                f"{published.address} sends more than the {published.size:,} bytes of the file, "
                f"so the download was stopped and deleted; see {published.page}."
            )
        file.write(chunk)
        file.flush()  # so that a process that is killed loses nothing
        bar.update(len(chunk))
        got += len(chunk)
        if time.monotonic() - began > _SECONDS:
            if got < _SLOWEST:
                raise TimeoutError(f"only {got:,} bytes in {_SECONDS:.0f} s")
            began, got = time.monotonic(), 0


@contextmanager
def _bar(name: str, published: PublishedWeights, there: int) -> Iterator[Any]:
    """Say what is downloaded and show a progress bar, on terminals and for large files only."""
    is_shown = published.size > LARGE and sys.stderr.isatty() and not are_progress_bars_disabled()
    if is_shown:
        tqdm.write(
            f"Downloading {name} once: {published.megabytes} from "
            f"{urlsplit(published.address).hostname}, licence {published.licence}",
            file=sys.stderr,
        )
    with tqdm(
        total=published.size,
        initial=there,
        unit="B",
        unit_scale=True,
        desc=name,
        disable=not is_shown,
    ) as bar:
        yield bar


@contextmanager
def _told(name: str, published: PublishedWeights, part: Path) -> Iterator[None]:
    """Turn what can go wrong into one sentence, and delete a part that is of no use."""
    try:
        yield
    except HubError:
        raise
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            part.unlink(missing_ok=True)
            raise HubError(
                f"There is no space left in {part.parent.parent} for {name} "
                f"({published.megabytes}): make room, or pass another cache_dir."
            ) from error
        response = getattr(error, "response", None)
        if isinstance(error, OfflineModeIsEnabled) or response is not None:
            with hub_errors(published.repo_id or name, revision=published.revision or None):
                raise
        host = urlsplit(published.address).hostname
        if _is_certificate(error):
            raise HubError(
                f"The certificate of {host} cannot be verified, so {name} was not downloaded "
                f"({_reason(error)}): check the clock of this machine, and SSL_CERT_FILE if a "
                "proxy has certificates of its own."
            ) from error
        got = _size(part)
        kept = f" after {got / 1e6:,.1f} of {published.size / 1e6:,.1f} MB" if got else ""
        raise HubError(
            f"The download of {name} from {host} failed{kept} ({_reason(error)}): check your "
            "network and proxies, and try again" + ("; it continues from there." if got else ".")
        ) from error


def _is_certificate(error: BaseException) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def _reason(error: BaseException) -> str:
    words = one_line(error)
    is_late = "timed out" in words or words == type(error).__name__ and "Timeout" in words
    return "no answer in time" if is_late else words
