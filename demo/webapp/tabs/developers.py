"""The fourth tab: how to use colorzoo from Python, the command line and the API."""

import gradio as gr

PYTHON = """import colorzoo

colorzoo.colorize("photo.jpg").save("coloured.jpg")  # one call, the default model

model = colorzoo.load("unet-bins")  # bundled weights, on the CPU
image = model.colorize("photo.jpg", saturation=1.2)  # a PIL image of the photo's size
image = model.colorize("photo.jpg", seed=3)  # one of several plausible results
colorzoo.save_image(image, "coloured.png")  # keeps the photo's EXIF and DPI
"""

SHELL = """colorzoo colorize photo.jpg album/ -o coloured/   # files and folders; names are kept
colorzoo colorize scan.tif -o out.png --model unet-bins --seed 3
colorzoo compare photo.jpg -o sheet.png           # every model on one sheet
colorzoo list                                     # all models, with their scores
"""

CLIENT = """from gradio_client import Client, handle_file

client = Client("https://address-of-this-page")
client.predict(api_name="/models")  # [{"name": "unet", "summary": ..., ...}, ...]
photo = handle_file("photo.jpg")
png = client.predict(photo, "unet", api_name="/colorize")
pictures, report = client.predict(photo, ["unet", "unet-bins"], samples=2, api_name="/compare")
"""

ENDPOINTS = """- `/models` returns name, summary, year and number of parameters of every model, and
  which `options` it supports: `seed`, `vividness`, `temperature`, `steps`, `hints` or `reference`.
- `/colorize` takes a photo, a model and settings, and returns a PNG of the photo's size, with its
  EXIF. An option that the model does not support is an error.
- `/compare` takes a photo, a list of models and settings, and returns PNGs and a report: seconds
  and colourfulness, or the error, for each model. With `samples` (0 to 6), it adds that many other
  plausible results of each model that supports `seed`; the report has the model, seed and
  colourfulness of each. Models that do not support an option ignore it.

| setting | meaning |
| --- | --- |
| `saturation` | 0 to 2: 0 is gray, 1 is what the model predicts |
| `strength` | 0 to 1: share of the result, the rest is the original |
| `work_size` | short side of the network's input, pixels; 0 means the model's default |
| `vividness` | from 0, careful, to 1, vivid but more often wrong; 0.5 means the default |
| `seed` | for `/colorize`: selects one of several plausible results; -1 means the default result |
| `steps` | number of sampling steps; 0 means the model's default |
| `hints` | colours to keep to: a list of `[x, y, color]` or `[x, y, color, radius]`, in pixels |
| `reference` | a colour photo whose colours to use |

Everything except the photo can be left out; `client.view_api()` shows types and defaults. A file
may have up to {size} and {pixels} million pixels. It has to be uploaded, as `handle_file` does with
a local file: the server fetches nothing from other addresses."""


def build(*, max_bytes: int, max_pixels: int) -> None:
    """Build the tab."""
    gr.Markdown(f"## Python\n\n`pip install .` in a checkout of colorzoo\n\n```python\n{PYTHON}```")
    gr.Markdown(f"## Command line\n\n```shell\n{SHELL}```")
    limits = {"size": f"{max_bytes >> 20} MB", "pixels": max_pixels // 10**6}
    gr.Markdown(
        f"## API\n\n`pip install gradio_client`\n\n```python\n{CLIENT}```\n\n"
        + ENDPOINTS.format(**limits)
    )
