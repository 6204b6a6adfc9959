"""The fourth tab: the same from Python, from the command line and over HTTP."""

import gradio as gr

PYTHON = """import colorzoo

model = colorzoo.load()
colorzoo.save_image(model.colorize("photo.jpg"), "coloured.png")
"""

SHELL = """colorzoo compare photo.jpg -o sheet.png
colorzoo colorize photo.jpg -o sample.png --seed 3
"""

CLIENT = """from gradio_client import Client, handle_file

client = Client("https://address-of-this-page")
client.predict(api_name="/models")  # [{"name": "unet", "summary": ..., ...}, ...]
photo = handle_file("photo.jpg")
png = client.predict(photo, "unet", api_name="/colorize")
pictures, report = client.predict(photo, ["unet", "unet-bins"], samples=2, api_name="/compare")
"""

ENDPOINTS = """- `/models` gives a list with the name, summary, year and parameters of every model,
  and whether it takes temperature and samples.
- `/colorize` takes a photo, a model, saturation (0 to 2), strength (0 to 1), working size,
  temperature and, of a sample, the seed, and gives a PNG of the photo's size, with its EXIF.
- `/compare` takes a photo, a list of models, the same settings and samples, how many colourings to
  draw besides from each model that takes them (0 to 6), and gives PNGs, and for every model its
  seconds and colourfulness, or its error; for every sample its model, seed and colourfulness.

Everything but the photo may be left out; `client.view_api()` shows types and defaults. A file may
have {size} and {pixels} million pixels."""


def build(*, max_file_size: str, max_pixels: int) -> None:
    """Lay the tab out."""
    gr.Markdown(f"## Python\n\n`pip install .` in a checkout of colorzoo\n\n```python\n{PYTHON}```")
    gr.Markdown(f"## Command line\n\n```shell\n{SHELL}```")
    limits = {"size": max_file_size.upper().replace("MB", " MB"), "pixels": max_pixels // 10**6}
    gr.Markdown(
        f"## API\n\n`pip install gradio_client`\n\n```python\n{CLIENT}```\n\n"
        + ENDPOINTS.format(**limits)
    )
