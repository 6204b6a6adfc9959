"""``colorzoo`` and ``python -m colorzoo``: the command line."""

import importlib
import sys


def run(module: str) -> None:
    """Import a command line and call its ``main``. Ctrl-C in between prints one line."""
    try:
        importlib.import_module(module).main()
    except KeyboardInterrupt:  # commands handle it themselves, so this is while importing
        print("stopped: by a signal", file=sys.stderr)  # noqa: T201
        sys.exit(130)


def main() -> None:
    """Run the command line of colorzoo."""
    run("colorzoo.cli")


if __name__ == "__main__":
    main()
