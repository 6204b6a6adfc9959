"""What colorzoo assumes where the caller does not say otherwise. Imports nothing heavy."""

# WebP's and progressive JPEG's decoders hold a picture twice, 12 bytes a pixel: under 1 GB.
MAX_PIXELS: int = 80_000_000


DEFAULT_MODEL = "mobilenetv2-bins"
