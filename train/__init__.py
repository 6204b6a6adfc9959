"""Training, evaluation and export of the zoo: ``python -m train --help``."""
