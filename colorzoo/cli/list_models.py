"""``colorzoo list``: list the models."""

from rich.table import Column, Table

from colorzoo.cli._console import OUT


def list_models() -> None:
    """List the models with their sizes and scores."""
    from colorzoo import registry
    from colorzoo.evaluation.report import short_count

    name_column = Column("model", no_wrap=True)  # in a narrow terminal, shorten others
    table = Table(name_column, "size", "PSNR", "CF", "weights", "description", box=None)
    for name in registry.list_models():
        info = registry.model_info(name)
        psnr, colour = "-", "-"
        if info.metrics:
            scores, gray = info.metrics["scores"], info.metrics["gray"]
            psnr, colour = f"{scores['psnr'] - gray['psnr']:+.2f} dB", f"{scores['cf']:.1f}"
        where = "bundled" if info.weights else "Hub" if info.repo_id else "none"
        size = short_count(registry.create_model(name).parameter_count)
        table.add_row(name, size, psnr, colour, where, info.summary)
    OUT.print(table)
    OUT.print(
        "PSNR: difference from the photo without colour. CF: colourfulness. "
        "`colorzoo info NAME` shows more."
    )
