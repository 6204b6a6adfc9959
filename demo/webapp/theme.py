"""The look of the page: a quiet theme, so that only the photos are colourful."""

import html
from collections.abc import Sequence

import gradio as gr
from gradio.themes import Base

from webapp import page

THEME = Base(
    primary_hue="stone",
    neutral_hue="stone",
    radius_size="sm",
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
).set(
    body_background_fill="*neutral_50",
    body_text_color_subdued="*neutral_600",
    block_info_text_color="*neutral_600",
    block_label_text_color="*neutral_600",
    block_title_text_color="*neutral_600",
    button_large_text_weight="500",
    slider_color_dark="*neutral_300",
)
CSS = (
    page.text("page.css")
    + """
.gradio-container { width: 100%; max-width: none !important; margin: 0 auto; }
.gradio-container > .main.fillable { max-width: 1760px !important; margin: 0 auto;
  padding: 8px 20px !important; }
.gradio-container .tabitem { padding: 4px 0 10px; }
.gradio-container .tabs { gap: 6px; }
.tabitem :is(.md, .table) { max-width: 1280px; }
@media (max-width: 800px) {
  .gradio-container > .main.fillable { padding: 6px 12px !important; }
}
/* Wide tables and code scroll inside their own frames, so that the page does not. */
.md { display: block; overflow-x: auto; }
.md table { display: block; width: max-content; max-width: 100%; overflow-x: auto;
  border: 0 !important; border-collapse: collapse; white-space: nowrap; overflow-wrap: normal;
  word-break: normal; }
.md a { color: inherit; text-decoration: underline; overflow-wrap: anywhere; }
.md th, .md td { border: 0 !important; box-shadow: 0 1px var(--border-color-primary); }
button[role=tab].selected { color: var(--body-text-color); }
/* .md twice, for a higher specificity than Gradio's own rules. */
:is(.md.md, body) :is(.token.string, .token.number, .token.boolean) { color: #456800; }
.dark :is(.md.md, body) :is(.token.string, .token.number, .token.boolean) { color: #98c379; }
.token.comment { color: #57534e; }
.dark .token.comment { color: #a8a29e; }
h1 { font-family: Georgia, serif; font-weight: 400; letter-spacing: .02em; }
.quiet p { color: var(--body-text-color-subdued); font-size: var(--text-sm); }
.dark input[type=range] { --neutral-200: var(--neutral-600); }

#bench { display: grid; grid-template: "adjust results" auto / 2fr 5fr;
  gap: var(--layout-gap); align-items: start; }
#results { grid-area: results; } #adjust { grid-area: adjust; }
#results, #adjust { min-width: 0 !important; width: 100%; }
@media (max-width: 800px) {
  #bench { grid-template: "results" "adjust" / minmax(0, 1fr); }
}

/* Hide the controls of the results until there is one. */
#results:has(#gallery .empty) :is(#gallery, #slider) { display: none; }
#results:has(#gallery .empty) #pair { display: none; }
#results:has(#gallery .empty) #downloads { display: none; }
@media (max-width: 800px) {
  #pair #share { order: 3; flex-basis: 100%; }
  #downloads { display: grid; grid-template-columns: repeat(3, 1fr); }
  #downloads button { min-width: 0; padding: var(--size-2); font-size: var(--text-md); }
  #numbers .table th, #numbers .table td { padding: var(--size-1); font-size: var(--text-sm); }
}

#status { padding: 0 var(--size-2); min-height: 3.2em; }
:is(#status, #packed) progress { width: 100%; height: 6px; appearance: none; border: 0;
  border-radius: 3px;
  overflow: hidden; background: var(--neutral-200); }
.dark :is(#status, #packed) progress { background: var(--neutral-700); }
:is(#status, #packed) progress::-webkit-progress-bar { background: transparent; }
:is(#status, #packed) progress::-webkit-progress-value { background: var(--neutral-600);
  transition: width .2s; }
:is(#status, #packed) progress::-moz-progress-bar { background: var(--neutral-600); }
.dark :is(#status, #packed) progress::-webkit-progress-value { background: var(--neutral-300); }
.dark :is(#status, #packed) progress::-moz-progress-bar { background: var(--neutral-300); }
:is(#status, #packed) .more { color: var(--body-text-color-subdued); font-size: var(--text-sm); }

#gallery .grid-wrap { min-height: 0; max-height: none; overflow: visible; }
#gallery .grid-container { grid-template-rows: none; grid-auto-rows: auto; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 10.5rem), 1fr));
  padding-top: var(--size-6); }
#gallery .thumbnail-item { aspect-ratio: auto; height: auto; filter: none; }
#gallery .thumbnail-item.selected { --ring-color: var(--neutral-500); }
#gallery .thumbnail-item > img { height: auto; max-height: 320px; object-fit: contain; }
#gallery .caption-label { position: static; max-width: none; border: 0; opacity: 1;
  padding: var(--size-1); text-align: center; white-space: normal; overflow-wrap: anywhere; }
@media (max-width: 800px) {
  #gallery .grid-container { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@media (max-width: 480px) {
  #gallery .grid-container { padding-top: var(--size-10); } /* the label takes two lines */
}

.table { overflow-x: auto; }
.table table, .table tr { border: 0 !important; }
.table table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.table caption { text-align: left; padding: var(--size-1) 0; font-size: var(--text-sm);
  color: var(--body-text-color-subdued); }
.table th, .table td { padding: var(--size-1) var(--size-2); text-align: right;
  border: 0; border-bottom: 1px solid var(--border-color-primary); }
.table th:first-child { text-align: left; font-weight: 500; }
.table th button { all: unset; cursor: pointer; font-weight: 500; white-space: nowrap; }
.table th button:focus-visible { outline: 2px solid var(--neutral-500); outline-offset: 2px; }
.table th[aria-sort=descending] button::after { content: " ▾"; }
.table th[aria-sort=ascending] button::after { content: " ▴"; }
@media (max-width: 800px) {
  #leaderboard::before, #chart::before { content: "Swipe sideways to see more.";
    font-size: var(--text-sm); color: var(--body-text-color-subdued); }
}
.scroll { overflow-x: auto; }
.scroll svg { display: block; width: 100%; min-width: 600px; max-width: 760px; height: auto;
  margin: 0 auto; }
"""
)

JS = page.text("page.js")  # keyboard use and screen readers


def problem(words: str) -> gr.Error:
    """Make an error for the page and for programs; ``words`` are plain text."""
    return gr.Error(html.escape(words, quote=False), print_exception=False)


def words_of(error: gr.Error) -> str:
    """Return the plain text of an error from ``problem``."""
    return html.unescape(error.message)


def status(*lines: str, done: int = 0, total: int = 0, of: str = "Models") -> str:
    """Return HTML for the status, which screen readers announce, and a progress bar.

    Args:
        lines: Plain text; the first line is the main one.
        done: Number of models that have run.
        total: Number of models; there is no bar if 0.
        of: What they are, if not models.
    """
    first, *more = map(html.escape, lines)
    below = f'<div class="more">{"<br>".join(more)}</div>' if more else ""
    bar = f'<progress max="{total}" value="{done}" aria-label="{of} done"></progress>'
    return f'<div role="status">{first}{below}</div>{bar if done < total else ""}'


def table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, sortable: bool = False
) -> str:
    """Return an HTML table whose first column names the rows.

    Args:
        caption: Caption of the table.
        heads: Names of the columns.
        rows: Cells, as text.
        sortable: Whether a click on a column's name sorts the rows by it.
    """
    names = [html.escape(text) for text in heads]
    if sortable:
        names = [f'<button type="button">{name}</button>' for name in names]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(text)}</td>" for text in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="table" tabindex="0"><table><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
