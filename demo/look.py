"""How the page looks: a quiet theme, so that the photos are the colour on it."""

import html
from collections.abc import Sequence

from gradio.themes import Base

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
CSS = """
.gradio-container { width: 100%; max-width: 1280px !important; margin: 0 auto; }
/* Wide tables and code scroll inside their own frames, never the page. */
.md { display: block; overflow-x: auto; }
.md table { border-collapse: collapse; }
.md th, .md td { border: 0 !important; box-shadow: 0 1px var(--border-color-primary); }
h1 { font-family: Georgia, serif; font-weight: 400; letter-spacing: .02em; }
.quiet p { color: var(--body-text-color-subdued); font-size: var(--text-sm); }
.dark input[type=range] { --neutral-200: var(--neutral-600); }

#bench { display: grid; grid-template: "choose results" auto "adjust results" 1fr / 2fr 5fr;
  gap: var(--layout-gap); align-items: start; }
#choose { grid-area: choose; } #results { grid-area: results; } #adjust { grid-area: adjust; }
#choose, #results, #adjust { min-width: 0 !important; width: 100%; }
@media (max-width: 800px) {
  #bench { grid-template: "choose" "results" "adjust" / minmax(0, 1fr); }
}
#photo .upload-container, #photo .image-frame { width: 100% !important; }
#examples .gallery:not(.container) { display: grid; grid-template-columns: repeat(5, 1fr); }
#examples .gallery-item > span { display: block; }
#examples .container { width: 100%; height: auto; aspect-ratio: 1; }

#status { padding: 0 var(--size-2); min-height: 3.2em; }
#status progress { width: 100%; height: 6px; appearance: none; border: 0; border-radius: 3px;
  overflow: hidden; background: var(--neutral-200); }
.dark #status progress { background: var(--neutral-700); }
#status progress::-webkit-progress-bar { background: transparent; }
#status progress::-webkit-progress-value { background: var(--neutral-600);
  transition: width .2s; }
#status progress::-moz-progress-bar { background: var(--neutral-600); }
.dark #status progress::-webkit-progress-value { background: var(--neutral-300); }
.dark #status progress::-moz-progress-bar { background: var(--neutral-300); }
#status .more { color: var(--body-text-color-subdued); font-size: var(--text-sm); }

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

.table { overflow-x: auto; }
.table table, .table tr { border: 0 !important; }
.table table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.table caption { text-align: left; padding: var(--size-1) 0; font-size: var(--text-sm);
  color: var(--body-text-color-subdued); }
.table th, .table td { padding: var(--size-1) var(--size-2); text-align: right;
  border: 0; border-bottom: 1px solid var(--border-color-primary); }
.table th:first-child { text-align: left; font-weight: 500; }
.scroll { overflow-x: auto; }
.scroll svg { display: block; width: 100%; min-width: 600px; max-width: 760px; height: auto;
  margin: 0 auto; }
"""

# Gradio's sliders tell that they were moved when the pointer lets go, but not when a key does.
JS = """() => document.addEventListener("keyup", (event) => {
  if (event.target.matches?.("input[type=range]"))
    event.target.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
})"""


def status(*lines: str, done: int = 0, total: int = 0) -> str:
    """Write the status line, which screen readers announce, and how far the run is.

    Args:
        lines: What to say, plain text; the first line is the main one.
        done: Models that have run.
        total: Of how many; no bar is drawn when 0.
    """
    first, *more = map(html.escape, lines)
    below = f'<div class="more">{"<br>".join(more)}</div>' if more else ""
    bar = f'<progress max="{total}" value="{done}" aria-label="Models done"></progress>'
    return f'<div role="status">{first}{below}</div>{bar if done < total else ""}'


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write an HTML table whose first column names the rows."""
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
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
