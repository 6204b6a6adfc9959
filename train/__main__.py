"""``python -m train``: the command line; see ``train/commands/``."""

from colorzoo.__main__ import run

if __name__ == "__main__":
    run("train.commands")
