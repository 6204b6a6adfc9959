"""What the tests of training share."""

from pathlib import Path

import pytest
from helpers.synthetic import write_shards


@pytest.fixture(scope="session")
def shards(tmp_path_factory) -> Path:
    """Shards of small photos: 32 to train on, 6 to validate on, 6 to test on."""
    return write_shards(tmp_path_factory.mktemp("shards"))
