"""Say errors in the words of the command line."""

import re

_OPTIONS = (
    "max_pixels work_size overwrite_card create_pr vividness temperature seed steps saturation "
    "revision branch reference batch_size dtype backend device quality"
).split()
_NAME = "|".join(_OPTIONS)
# No part of a path, and no word in quotes.
_WORD = rf"(?<![\w/.'\"-])(?P<name>{_NAME})(?![\w/'\"-]|\.\w)"

# What the messages of the library say, in Python's words, and what the command line says instead.
_RULES = [
    (r"max_pixels=\d+ \(on the command line, (--max-pixels \d+)\)", r"\1"),
    (r"max_pixels \(on the command line, (--max-pixels)\)", r"\1"),
    (r"overwrite_card \((--overwrite-card)\)", r"\1"),
    (r"local_files_only \(--no-download on the command line\)", "--no-download"),
    (r"local_files_only", "--no-download"),
    (r",? (and|or) source='hub'(, which are for the Hub)?", ""),
    (r"callers of colorize\(\)", "callers"),
    (r"colorzoo\.list_models\(\)", "`colorzoo list`"),
    (r",? or build it untrained with create_model\('[^']*'\)", ""),
    (r" Build it untrained with create_model\('[^']*'\)\.", ""),
    (r"create_pr=True", "--create-pr"),
]
_COMPILED = [(re.compile(pattern), words) for pattern, words in _RULES]
_WITH_VALUE = re.compile(rf"{_WORD}=(?P<value>'[^']*'|[\w.-]*\w)")
_ALONE = re.compile(
    rf"(?P<before>^|: |support |supports |omit |leave out |out |Leave |larger |smaller |take )"
    rf"{_WORD}"
)
_UNDERSCORED = re.compile(_WORD.replace(_NAME, "|".join(o for o in _OPTIONS if "_" in o)))


def in_words(text: str) -> str:
    """Replace what a message says about Python by what is said on the command line."""
    for pattern, words in _COMPILED:
        text = pattern.sub(words, text)
    text = _WITH_VALUE.sub(lambda found: f"{_option(found['name'])} {found['value']}", text)
    text = _UNDERSCORED.sub(lambda found: _option(found["name"]), text)
    text = _ALONE.sub(lambda found: f"{found['before']}{_option(found['name'])}", text)
    return re.sub(r"(?<=support )hints|(?<=omit )hints|(?<=Leave )hints", "--hint", text)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
