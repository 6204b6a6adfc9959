"""Search for batch size, learning rate and loss by k-fold cross-validation, with Optuna."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import lightning as pl
import optuna
import torch
from optuna.trial import FrozenTrial, Trial, TrialState

from train.data.loaders import MemoryData
from train.data.photos import Photos, read_photos
from train.data.sources import open_data
from train.fit import configuring, fast_precision, moving_average
from train.initial_weights import initialise
from train.progress import quiet_lightning
from train.recipe import Recipe
from train.run_settings import Device, Metric

_BATCH_SIZES = (8, 16, 32, 64)
_RATES = (1e-4, 1e-2)


@dataclass(frozen=True)
class Search:
    """The extent of a search.

    Attributes:
        folder: Folder for the study, NAME.db, and its table, NAME.csv.
        trials: Total number of settings to try, including those of earlier calls.
        folds: Number of folds; each is used for validation once, after training on the others.
        photos: Number of photos in all folds together.
        epochs: Passes over a fold's training photos.
        side: Resolution, pixels.
        metric: The metric to maximise.
        device: "auto" uses the GPU if there is one.
    """

    folder: Path
    trials: int = 12
    folds: int = 3
    photos: int = 3_000
    epochs: int = 3
    side: int = 64
    metric: Metric = "val_psnr"
    device: Device = "auto"


def tune(recipe: Recipe, data: str, search: Search) -> list[FrozenTrial]:
    """Search, or continue the search whose study is in the folder.

    Args:
        recipe: The recipe to improve; only batch size, learning rate and loss are varied.
        data: See ``train.data.sources.open_data``.
        search: The extent of the search.

    Returns:
        The finished trials, best first. They are also written to a table in the folder.

    Raises:
        FileNotFoundError: If there are no photos.
        ValueError: If there are fewer photos than folds, or fewer than two folds.
        WeightsError: If the initial weights are missing.
        ConfigError: If Lightning does not find the device.
    """
    recipe = replace(recipe, sides=((0.0, search.side),), epochs=search.epochs)
    source, _, _ = open_data(data, recipe)
    photos, tally = read_photos(source.files(), resolutions=[search.side], limit=search.photos)
    print(f"{search.folds} folds of {tally}")
    if not 2 <= search.folds <= len(photos):
        raise ValueError(f"{len(photos)} photos cannot be divided into {search.folds} folds")
    search.folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        # Only trials with the same settings can be compared, so the name contains them.
        study_name=f"{recipe.model} on {data}: {search.metric} of {search.folds} folds, "
        f"{len(photos)} photos of {search.side} px, {search.epochs} epochs",
        storage=f"sqlite:///{search.folder / recipe.model}.db",
        load_if_exists=True,
        direction="maximize",
    )
    # Another seed when a search is continued, or else it would repeat its first samples.
    study.sampler = optuna.samplers.TPESampler(seed=recipe.seed + len(study.trials))
    left = search.trials - len(_finished(study))
    table = search.folder / f"{recipe.model}.csv"
    study.optimize(
        lambda trial: _score(_suggest(recipe, trial), photos, search, trial),
        n_trials=max(left, 0),
        callbacks=[lambda study, _: _write(table, _finished(study), search.metric)],
    )
    trials = _finished(study)
    _write(table, trials, search.metric)
    return trials


def _suggest(recipe: Recipe, trial: Trial) -> Recipe:
    batch_size = trial.suggest_categorical("batch_size", _BATCH_SIZES)
    rate = trial.suggest_float("learning_rate", *_RATES, log=True)
    loss = trial.suggest_categorical("loss", recipe.objective.losses)
    objective = replace(recipe.objective, loss=loss)
    return replace(recipe, batch_size=batch_size, learning_rate=rate, objective=objective)


def _score(recipe: Recipe, photos: Photos, search: Search, trial: Trial) -> float:
    """Return the mean of the metric over the folds; a trial with poor first folds is pruned."""
    order = torch.randperm(len(photos), generator=torch.Generator().manual_seed(recipe.seed))
    folds = order.tensor_split(search.folds)
    scores = []
    for i, held_out in enumerate(folds):
        rest = torch.cat([fold for j, fold in enumerate(folds) if j != i])
        scores.append(_fit_fold(recipe, photos.subset(rest), photos.subset(held_out), search))
        trial.report(sum(scores) / len(scores), i)
        if trial.should_prune():
            raise optuna.TrialPruned
    return sum(scores) / len(scores)


@quiet_lightning()
def _fit_fold(recipe: Recipe, train: Photos, held_out: Photos, search: Search) -> float:
    pl.seed_everything(recipe.seed, verbose=False)
    module = recipe.objective.build(recipe)
    initialise(module.model, recipe.start)
    with configuring():
        trainer = pl.Trainer(
            accelerator={"cuda": "gpu"}.get(search.device, search.device),
            devices=1,
            precision=fast_precision(search.device),
            max_epochs=recipe.epochs,
            callbacks=[moving_average(recipe.ema_decay)],
            num_sanity_val_steps=0,
            check_val_every_n_epoch=recipe.epochs,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
        )
    trainer.fit(module, MemoryData(train, held_out.squares(search.side), recipe))
    return float(trainer.callback_metrics[search.metric])


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    done = study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
    return sorted(done, key=lambda trial: (trial.state != TrialState.COMPLETE, -(trial.value or 0)))


def _write(path: Path, trials: list[FrozenTrial], metric: str) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = sorted({name for trial in trials for name in trial.params})
        writer.writerow(["trial", *names, metric, "state", "seconds"])
        for trial in trials:
            seconds = trial.duration.total_seconds() if trial.duration else 0.0
            value = "" if trial.value is None else f"{trial.value:.4f}"
            writer.writerow(
                [
                    trial.number,
                    *(trial.params.get(name, "") for name in names),
                    value,
                    trial.state.name.lower(),
                    f"{seconds:.0f}",
                ]
            )
