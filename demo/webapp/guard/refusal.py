"""A request that is refused, in words for visitors and programs."""

from collections.abc import Mapping
from typing import Any


class Refusal(Exception):
    """Ends a request.

    Attributes:
        status: The HTTP status.
        words: A sentence that says what was sent, what is expected, and what to do.
    """

    def __init__(self, status: int, words: str) -> None:
        """Keep status and words."""
        super().__init__(words)
        self.status, self.words = status, words

    def answer(self, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Return status and JSON in the shape that the asker shows as a sentence.

        Args:
            headers: Those of the request.
        """
        if self.status == 400 and headers.get("x-gradio-user") == "api":
            # gradio_client shows the words of a failed validation only, of others just the status.
            told = {"__type__": "validate", "is_valid": False, "message": self.words}
            return 422, {"detail": [told | {"parameter_name": "request"}]}
        return self.status, {"detail": self.words, "error": self.words}  # the page shows either
