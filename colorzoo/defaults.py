"""Default values. Must not import anything slow."""

# Decoding WebP or progressive JPEG takes two copies, 12 bytes per pixel: here, less than 1 GB.
MAX_PIXELS: int = 80_000_000

# Of a film, some twenty frames are in memory at the same time: for 4K, 1 GB.
MAX_FRAME_PIXELS: int = 10_000_000


DEFAULT_MODEL = "efficientnet-bins"
