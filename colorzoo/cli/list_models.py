"""``colorzoo list``: list the models."""

from rich.table import Column, Table

from colorzoo.cli._console import OUT


def list_models() -> None:
    """List the models with their sizes, scores, and where their weights are from."""
    from colorzoo import registry
    from colorzoo.evaluation.report import short_count

    ours = Table(*_columns("PSNR", "CF", "licence"), box=None)
    theirs = Table(*_columns("download", "here", "licence"), box=None)
    for name in registry.list_models():
        info = registry.model_info(name)
        size = short_count(registry.describe(name).parameter_count)
        licence = info.licence or "-"
        if info.published is not None and info.weights is None:
            here = "yes" if info.is_local else "no"
            row = (info.published.megabytes, here, licence)
            theirs.add_row(name, size, *row, info.summary)
            continue
        psnr, colour = "-", "-"
        if info.metrics:
            scores, gray = info.metrics["scores"], info.metrics["gray"]
            psnr, colour = f"{scores['psnr'] - gray['psnr']:+.2f}", f"{scores['cf']:.0f}"
        ours.add_row(name, size, psnr, colour, licence, info.summary)
    OUT.print(ours)
    OUT.print(
        "PSNR: dB above the photo without colour, as measured here. CF: colourfulness. "
        "`colorzoo info NAME` shows more."
    )
    if theirs.row_count:
        OUT.print()
        OUT.print("With the weights of the method's authors, which are downloaded on first use:")
        OUT.print()
        OUT.print(theirs)


def _columns(*middle: str) -> tuple[Column, ...]:
    """Return the columns of a table; in a narrow terminal, descriptions wrap."""
    names = ("model", "size", *middle)
    return (*(Column(each, no_wrap=True) for each in names), Column("description", min_width=16))
