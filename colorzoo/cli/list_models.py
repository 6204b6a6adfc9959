"""``colorzoo list``: list the models."""

from typing import TYPE_CHECKING, Any

from rich.table import Column, Table

from colorzoo.cli._arguments import Json
from colorzoo.cli._console import OUT, print_json
from colorzoo.cli._importing import importing

if TYPE_CHECKING:
    from colorzoo.registry import ModelInfo


def list_models(as_json: Json = False) -> None:
    """List the models with their sizes, scores, and where their weights are from."""
    with importing():
        from colorzoo import registry
        from colorzoo.evaluation.report import short_count

    infos = [registry.model_info(name) for name in registry.list_models()]
    if as_json:
        print_json([facts_of(info) for info in infos])
        return
    ours = Table(*_columns("PSNR", "CF", "licence"), box=None)
    theirs = Table(*_columns("download", "here", "licence"), box=None)
    for info in infos:
        name, size = info.name, short_count(registry.describe(info.name).parameter_count)
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


def facts_of(info: "ModelInfo") -> dict[str, Any]:
    """Return what is known of a model, as JSON values."""
    from colorzoo.registry import describe

    model = describe(info.name)
    return {
        "name": info.name,
        "summary": info.summary,
        "year": info.year,
        "parameters": model.parameter_count,
        "options": sorted(model.options),
        "config": model.config,
        "origin": info.origin,
        "is_local": info.is_local,
        "weights": str(info.weights) if info.weights else None,
        "repo_id": info.repo_id,
        "revision": info.revision,
        "licence": info.licence,
        "published": None if info.published is None else info.published.about(),
        "metrics": info.metrics,
    }


def _columns(*middle: str) -> tuple[Column, ...]:
    """Return the columns of a table; in a narrow terminal, descriptions wrap."""
    names = ("model", "size", *middle)
    return (*(Column(each, no_wrap=True) for each in names), Column("description", min_width=16))
