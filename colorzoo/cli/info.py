"""``colorzoo info``: show one model."""

from typing import Annotated

import typer

from colorzoo.cli._console import OUT, errors


def info(name: Annotated[str, typer.Argument(help="A registered model.")]) -> None:
    """Show one model's configuration, size, options and scores."""
    from colorzoo.evaluation.report import scores_table
    from colorzoo.registry import create_model, model_info

    with errors():
        known = model_info(name)
        model = create_model(known.name)
    OUT.print(f"{known.name} ({known.year}): {known.summary}")
    OUT.print(f"{(known.family.__doc__ or '').splitlines()[0]}")
    for key, value in model.config.items():
        OUT.print(f"  {key} = {value!r}")
    OUT.print(f"  parameters = {model.parameter_count:,}")
    OUT.print(f"  options = {', '.join(sorted(model.options)) or 'none'}")
    OUT.print(f"  weights = {known.weights or known.repo_id or 'none'}", soft_wrap=True)
    if known.metrics:
        rows = {"gray": known.metrics["gray"], known.name: known.metrics["scores"]}
        OUT.print(scores_table(rows))
        OUT.print(f"{known.metrics['photos']} photos. {known.metrics['protocol']}")
