"""Photos for training: found, read, kept in memory or streamed."""
