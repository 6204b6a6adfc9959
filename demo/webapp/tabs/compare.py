"""The second tab: colour the photo with every model, compare, adjust and download."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

import colorzoo
from colorzoo.evaluation.metrics import SIDE
from webapp import hub_models, jobs, uploads
from webapp import models as zoo
from webapp import session as sessions
from webapp.session import BEFORE, TRUTH, Visit, Wish
from webapp.tabs.compare_layout import NO_MODEL, NOTHING, Adjust, Results, lay_out
from webapp.tabs.queues import AT_ONCE, START_DOWNLOAD, WORK
from webapp.theme import problem, status, table, words_of

Updates = dict[Component, Any]

# The photo is the one that the first tab shows.
_WITH_PHOTO = "(_, ...rest) => [window.colorzoo.photo?.() ?? null, ...rest]"
_MOVE_LINE = "(share) => { window.colorzoo.slider?.move(share, { quietly: true }); }"
_READ_LINE = "() => window.colorzoo.share"


def build(tab: gr.Tab, stage: gr.HTML, visit: gr.State) -> Adjust:
    """Build the tab and connect its events; the API uses the same input components.

    Args:
        tab: The tab; the models run when it is opened.
        stage: The large picture of the first tab, which has the photo.
        visit: The state of the page.
    """
    adjust, results = lay_out()
    _wire(tab, stage, visit, adjust, results)
    return adjust


def _wire(tab: gr.Tab, stage: gr.HTML, visit: gr.State, adjust: Adjust, results: Results) -> None:
    desk = _Desk(adjust, results)
    run, view, bring = map(jobs.as_job, (desk.run, desk.view, desk.bring))
    asked = [
        stage, adjust.models, adjust.saturation, adjust.strength, adjust.work_size,
        adjust.vividness, adjust.samples, visit,
    ]  # fmt: skip
    page: Sequence[Component] = [
        results.line, results.slider, results.left, results.right, results.about, results.gallery,
        results.truth, results.numbers, results.file, adjust.models, adjust.brought,
    ]  # fmt: skip
    light: dict[str, Any] = {
        "queue": False, "show_progress": "hidden", "api_visibility": "private",
        "preprocess": False, "trigger_mode": "multiple",
    }  # fmt: skip
    heavy = light | {"queue": True, "concurrency_id": WORK, "concurrency_limit": AT_ONCE}

    sliders = (adjust.saturation, adjust.strength, adjust.vividness, adjust.samples)
    triggers = [
        tab.select, adjust.models.input, adjust.work_size.input,
        *(slider.release for slider in sliders),
    ]  # fmt: skip
    with_photo: dict[str, Any] = {"js": _WITH_PHOTO}
    # Not Gradio's cancels=: in 6.31 it does not cancel a run that was started by then().
    gr.on(triggers, desk.begin, asked, page, **light | with_photo).then(
        run, asked, page, **heavy | with_photo
    )

    for choice, pick in ((results.left, desk.pick_left), (results.right, desk.pick_right)):
        choice.input(pick, [choice, visit], page, **light).then(view, visit, page, **heavy)
    results.gallery.select(desk.pick_tile, visit, page, **light).then(view, visit, page, **heavy)
    results.truth.input(desk.show_truth, [results.truth, visit], page, **light).then(
        view, visit, page, **heavy
    )
    results.share.input(None, results.share, None, js=_MOVE_LINE, show_progress="hidden")
    results.slider.moved(None, None, results.share, js=_READ_LINE, show_progress="hidden")

    gr.on(
        [adjust.bring.click, adjust.repo_id.submit],
        bring, [adjust.repo_id, adjust.models, visit], page,
        **light | {"queue": True, "concurrency_id": "hub", "concurrency_limit": AT_ONCE},
    ).success(desk.begin, asked, page, **light | with_photo).then(
        run, asked, page, **heavy | with_photo
    )  # fmt: skip

    makers = (
        (results.png, desk.make_png),
        (results.archive, desk.make_archive),
        (results.sheet, desk.make_sheet),
    )
    for button, make in makers:
        button.click(jobs.as_job(make), visit, page, **heavy).success(
            None, results.file, None, js=START_DOWNLOAD
        )


@dataclass(frozen=True)
class _Desk:
    """The event handlers of the page; every method returns the components that change."""

    adjust: Adjust
    results: Results

    def begin(
        self, upload: uploads.Upload, models: list[str], saturation: float, strength: float,
        work_size: int, vividness: float, samples: int, visit: Visit,
    ) -> Updates:  # fmt: skip
        """Store the new request; a new photo clears the page at once."""
        wish = _wish(upload, models, saturation, strength, work_size, vividness, samples, visit)
        visit.begin(wish)
        words = "Waiting in the queue …" if wish.models else NO_MODEL
        words = words if wish.photo else NOTHING
        return {self.results.line: status(words), **self._present(visit)}

    def run(
        self, upload: uploads.Upload, models: list[str], saturation: float, strength: float,
        work_size: int, vividness: float, samples: int, visit: Visit,
    ) -> Iterator[Updates]:  # fmt: skip
        """Run the models and show each result as soon as it is ready.

        Each step has all that the one before had: Gradio's client keeps one object per component
        and changes it in place, so a step without the gallery could undo an update that the
        browser has not shown yet.
        """
        wish = _wish(upload, models, saturation, strength, work_size, vividness, samples, visit)
        if not visit.take_up(wish) or upload is None:
            yield self._nothing()
            return
        if not wish.models:
            yield {self.results.line: status(NO_MODEL), **self._present(visit)}
            return
        try:
            for step, progress in enumerate(sessions.colour(visit, wish, upload)):
                if visit.wish != wish:  # a newer run may have had its last word already
                    if step == 0:  # Gradio sets all outputs to None after no step at all
                        yield self._nothing()
                    return
                words = status(*progress.lines, done=progress.done, total=progress.total)
                yield {self.results.line: words, **self._present(visit, reduced=True)}
        except gr.Error as error:  # the error popup disappears, so also show it here
            yield {**self._present(visit), self.results.line: status(words_of(error))}
            raise
        pair = None
        while visit.wish == wish and pair != visit.pair():  # another choice during the last step
            pair = visit.pair()
            yield {**self._present(visit), **self.view(visit)}

    def view(self, visit: Visit) -> Updates:
        """Show the two chosen pictures at full size."""
        pair = visit.pair()
        return {self.results.slider: sessions.view(visit, pair)} if pair else self._nothing()

    def pick_left(self, name: str, visit: Visit) -> Updates:
        """Choose the left picture."""
        visit.chosen = (name, visit.chosen[1])
        return self._present(visit)

    def pick_right(self, name: str, visit: Visit) -> Updates:
        """Choose the right picture."""
        visit.chosen = (visit.chosen[0], name)
        return self._present(visit)

    def pick_tile(self, visit: Visit, event: gr.SelectData) -> Updates:
        """Choose the right picture by its tile."""
        return self.pick_right(list(visit.shown())[event.index], visit)

    def show_truth(self, wanted: bool, visit: Visit) -> Updates:
        """Show or hide the photo's own colours and the measurements."""
        visit.truth_shown = wanted
        return self._present(visit)

    def bring(self, repo_id: str, models: list[str], visit: Visit) -> Updates:
        """Add a model from the Hub to this visit."""
        if len(visit.guests) >= hub_models.MAX_BROUGHT:
            raise problem(
                f"You can add up to {hub_models.MAX_BROUGHT} models from the Hub. Reload the page "
                "to start again."
            )
        try:
            key = hub_models.fetch(repo_id)
        except colorzoo.ColorzooError as error:
            raise problem(str(error)) from error
        name = key.partition("@")[0]
        visit.guests[name] = key
        return {
            self.adjust.models: gr.CheckboxGroup(
                _choices(visit), value=[*models, *({name} - {*models})]
            ),
            self.adjust.brought: status(f"{name} was added."),
        }

    def make_png(self, visit: Visit) -> Iterator[Updates]:
        """Write the right picture as PNG."""
        yield from self._make(lambda: sessions.png(visit, visit.result()))

    def make_archive(self, visit: Visit) -> Iterator[Updates]:
        """Write all results as ZIP."""
        yield from self._make(lambda: sessions.archive(visit))

    def make_sheet(self, visit: Visit) -> Iterator[Updates]:
        """Write a contact sheet."""
        yield from self._make(lambda: sessions.sheet(visit))

    def _make(self, write: Callable[[], str]) -> Iterator[Updates]:
        yield {self.results.line: status("Preparing the download …")}
        path = write()
        yield {self.results.file: path, self.results.line: status(f"{Path(path).name} is ready.")}

    def _nothing(self) -> Updates:
        return {self.results.line: gr.skip()}  # Gradio does not accept an empty dictionary

    def _present(self, visit: Visit, *, reduced: bool = False) -> Updates:
        """Show the current state; with ``reduced``, the slider shows the small pictures."""
        results, shown, pair = self.results, visit.shown(), visit.pair()
        left, right = pair or (BEFORE, BEFORE)
        names = visit.pictures() or [BEFORE]
        updates: Updates = {
            results.gallery: gr.Gallery(
                [(tile.path, tile.caption) for tile in shown.values()],
                selected_index=list(shown).index(right) if right in shown else None,
            ),
            results.left: gr.Dropdown(names, value=left),
            results.right: gr.Dropdown(names, value=right),
            results.about: _about(right, visit),
            results.truth: gr.Checkbox(visible=TRUTH in visit.tiles),
            results.numbers: _numbers(visit),
        }
        if pair is None:
            updates[results.slider] = None
        elif reduced and right != BEFORE:
            updates[results.slider] = (shown[left].path, shown[right].path)
        return updates


def _wish(
    upload: uploads.Upload, models: list[str], saturation: float, strength: float,
    work_size: int, vividness: float, samples: int, visit: Visit,
) -> Wish:  # fmt: skip
    names = tuple(name for name in _choices(visit) if name in models)
    try:
        settings = zoo.Settings(saturation, strength, int(work_size), vividness)
        seeds = zoo.seeds(samples)
    except (TypeError, ValueError) as error:
        raise problem(str(error)) from error
    return Wish(upload["path"] if upload else None, names, settings, seeds)


def _choices(visit: Visit) -> list[str]:
    return [*zoo.model_names(), *visit.guests]


def _about(name: str, visit: Visit) -> str:
    if not sessions.is_model(name):
        return ""
    model, seed = zoo.origin(name)
    drawn = "" if seed == zoo.NOT_SAMPLED else f" Sampled with seed {seed}."
    if model in visit.guests:
        commit = visit.guests[model].partition("@")[2]
        return f"**{name}**: added from the Hub, commit {commit}.{drawn}"
    info = colorzoo.model_info(model)
    return f"**{name}**: {info.summary} ({info.year}).{drawn}"


def _numbers(visit: Visit) -> str:
    if TRUTH not in visit.shown():
        return ""
    rows = [
        (name, f"{n.psnr:.2f}", f"{n.ssim:.4f}", f"{tile.cf:.1f}", f"{n.delta_cf:.1f}")
        for name, tile in visit.tiles.items()
        if name != TRUTH and (n := tile.numbers)
    ]
    caption = (
        "Compared with the photo's real colours, as on the leaderboard: the central square at "
        f"{SIDE} px. “{BEFORE}” is the photo without colour."
    )
    return table(caption, ("model", "PSNR dB", "SSIM", "CF", "ΔCF"), rows)
