"""``colorzoo list``: list the models."""

from rich.table import Column, Table

from colorzoo.cli._console import OUT


def list_models() -> None:
    """List the models with their sizes, scores, and where their weights are from."""
    from colorzoo import registry
    from colorzoo.evaluation.report import short_count

    name_column = Column("model", no_wrap=True)  # in a narrow terminal, shorten others
    table = Table(
        name_column, "size", "PSNR", "CF", "weights", "licence", "description", box=None
    )  # fmt: skip
    for name in registry.list_models():
        info = registry.model_info(name)
        psnr, colour = "-", "-"
        if info.metrics:
            scores, gray = info.metrics["scores"], info.metrics["gray"]
            psnr, colour = f"{scores['psnr'] - gray['psnr']:+.2f} dB", f"{scores['cf']:.1f}"
        size = short_count(registry.describe(name).parameter_count)
        table.add_row(name, size, psnr, colour, info.origin, info.licence or "-", info.summary)
    OUT.print(table)
    OUT.print(
        "PSNR: difference from the photo without colour, as measured here. CF: colourfulness. "
        "`colorzoo info NAME` shows more."
    )
