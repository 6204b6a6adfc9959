"""Pictures in and out: decoding, encoding, resizing and merging colour."""
