"""``colorzoo info``: show one model."""

from typing import TYPE_CHECKING, Annotated

import typer

from colorzoo.cli._arguments import Json, complete_model
from colorzoo.cli._console import OUT, errors, print_json
from colorzoo.cli._importing import importing
from colorzoo.cli.list_models import facts_of

if TYPE_CHECKING:
    from colorzoo.hub.published import PublishedWeights


def info(
    name: Annotated[str, typer.Argument(help="A registered model.", autocompletion=complete_model)],
    as_json: Json = False,
) -> None:
    """Show one model's configuration, size, options, weights and scores."""
    with importing():
        from colorzoo.evaluation.report import scores_table
        from colorzoo.registry import describe, model_info

    with errors():
        known = model_info(name)
        model = describe(known.name)
    if as_json:
        print_json(facts_of(known))
        return
    OUT.print(f"{known.name} ({known.year}): {known.summary}")
    if known.family.__doc__:  # a family of one's own may have none
        OUT.print(known.family.__doc__.strip().splitlines()[0])
    for key, value in model.config.items():
        OUT.print(f"  {key} = {value!r}")
    OUT.print(f"  parameters = {model.parameter_count:,}")
    OUT.print(f"  options = {', '.join(sorted(model.options)) or 'none'}")
    place = known.weights or known.repo_id
    OUT.print(f"  weights = {known.origin}{f', {place}' if place else ''}", soft_wrap=True)
    OUT.print(f"  licence = {known.licence or 'unknown'}")
    if known.metrics:
        rows = {"gray": known.metrics["gray"], known.name: known.metrics["scores"]}
        OUT.print(scores_table(rows))
        OUT.print(f"{known.metrics['photos']} photos. {known.metrics['protocol']}")
    if known.published is not None and known.weights is None:
        _print_published(known.published)


def _print_published(published: "PublishedWeights") -> None:
    from colorzoo.evaluation.report import in_words

    OUT.print(f"  source = {published.address}", soft_wrap=True)
    OUT.print(f"  sha256 = {published.sha256}", soft_wrap=True)
    OUT.print(f"  page = {published.page}", soft_wrap=True)
    if published.numbers:
        OUT.print(
            "Published by its authors, not measured here, so not comparable with colorzoo's own "
            f"numbers: {in_words(published.numbers)} ({published.numbers_source}).",
            soft_wrap=True,
        )
