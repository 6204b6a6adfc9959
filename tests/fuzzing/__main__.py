"""python -m fuzzing TARGET [--seed N] [--cases N] [--case N], in tests/."""

import argparse
import sys
from pathlib import Path

from fuzzing.cases import TARGETS
from fuzzing.watchdog import fuzz


def main() -> None:
    """Run them and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m fuzzing", description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--case", type=int, help="only this one")
    parser.add_argument("--finds", type=Path, default=Path("runs/fuzz"), metavar="FOLDER")
    given = parser.parse_args()
    start, stop = (0, given.cases) if given.case is None else (given.case, given.case + 1)
    report = fuzz(given.target, given.seed, start, stop, given.finds)
    print(f"{given.target}, seed {given.seed}: {report}")
    sys.exit(bool(report.finds))


if __name__ == "__main__":
    main()
