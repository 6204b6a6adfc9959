"""Checks on the JSON that a visitor sends, so that Gradio fetches nothing and stays small."""

import json
import re
from typing import Any
from urllib.parse import unquote

from webapp.guard.refusal import Refusal

MAX_BYTES = 1_000_000  # of a request that is not an upload
MAX_STRING, MAX_DEPTH, MAX_VALUES = 100_000, 20, 50_000
MAX_ID = 100  # characters of a session's or event's id

_FIELDS = {"data", "event_data", "fn_index", "trigger_id", "session_hash", "event_id"}
_IDS = re.compile(r"[\w.-]+", re.ASCII)
# Any scheme with an authority, network paths of any slashes, and schemes that need no authority.
_REMOTE = re.compile(
    r"[\s\x00-\x1f]*(?:(?:[a-z][a-z0-9+.-]*:)?[/\\]{2}|(?:https?|ftps?|file|data|blob|javascript):)",
    re.IGNORECASE,
)
_OWN_FILE = "/gradio_api/file="
# Visitors may paste the address of a model; it is only looked up at the Hub, by its name.
_MODEL = re.compile(r"\s*https://huggingface\.co/[\w.-]+/[\w.-]+/?\s*", re.ASCII)
_FETCHES_NOTHING = (
    "The server fetches nothing from other places, got {!r:.80}: download the photo and upload the "
    "file itself."
)


def is_remote(text: str) -> bool:
    """Tell whether text is an address, a network path or a data URI, however it is encoded."""
    for _ in range(3):
        if _REMOTE.match(text):
            return True
        text, before = unquote(text), text
        if text == before:
            return False
    return True  # encoded more often than anybody does in good faith


def checked(body: bytes) -> dict[str, Any]:
    """Check the body of a request to run something and return what of it goes to Gradio.

    Raises:
        Refusal: If it is not JSON, too large in any way, or names something to be fetched.
    """
    try:
        sent = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):  # also for numbers of thousands of digits
        raise Refusal(400, "The request is not JSON: send an object with the key data.") from None
    if not isinstance(sent, dict):
        raise Refusal(400, f"The request must be a JSON object, got {type(sent).__name__}.")
    sent = {key: value for key, value in sent.items() if key in _FIELDS}
    for key in ("session_hash", "event_id"):
        value = sent.get(key)
        if value is not None and not (
            isinstance(value, str) and len(value) <= MAX_ID and _IDS.fullmatch(value)
        ):
            raise Refusal(400, f"{key} must be a name of at most {MAX_ID} letters and digits.")
    for key in ("fn_index", "trigger_id"):
        value = sent.get(key)
        if value is not None and (type(value) is not int or not 0 <= value < 1_000_000):
            raise Refusal(400, f"{key} must be a whole number from 0, got {value!r:.80}.")
    if not isinstance(sent.get("data", []), list):
        raise Refusal(400, "data must be a list with the values of the inputs.")
    return _Check().clean(sent, 0)


def written(checked: dict[str, Any]) -> bytes:
    """Write a request anew, so that nothing in it can be understood in two ways."""
    try:
        return json.dumps(checked, allow_nan=False).encode()
    except ValueError:
        raise Refusal(400, "A number in the request is infinite.") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class _Check:
    """Walks through the values of one request and counts them."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def clean(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise Refusal(
                413,
                f"The request has more than {MAX_VALUES:,} values, or more than {MAX_DEPTH} inside "
                "one another.",
            )
        if isinstance(value, str):
            self._check_text(value)
            if is_remote(value) and not _MODEL.fullmatch(value):
                raise Refusal(400, _FETCHES_NOTHING.format(value))
        elif isinstance(value, list):
            return [self.clean(each, depth + 1) for each in value]
        elif isinstance(value, dict):
            return self._clean_object(value, depth)
        return value

    def _clean_object(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, each in value.items():
            self._check_text(key)
            if key == "url" and isinstance(each, str):
                # Gradio's page adds the address of an uploaded file. It is never needed here.
                if is_remote(each) and _OWN_FILE not in each:
                    raise Refusal(400, _FETCHES_NOTHING.format(each))
                self._check_text(each)
            elif key == "orig_name" and isinstance(each, str):
                self._check_text(each)  # only shown, so it may look like anything
                kept[key] = each
            else:
                kept[key] = self.clean(each, depth + 1)
        return kept

    def _check_text(self, text: str) -> None:
        if len(text) > MAX_STRING:
            raise Refusal(
                413,
                f"A text in the request has {len(text):,} characters, more than {MAX_STRING:,}.",
            )
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Refusal(400, "A text in the request is not valid Unicode.") from None
