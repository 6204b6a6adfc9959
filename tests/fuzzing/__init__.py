"""Bad input, made by the thousand: a corpus of small real files, mutators, and a watchdog.

``python -m fuzzing --help`` in ``tests/`` runs more of it than the tests do.
"""

from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
