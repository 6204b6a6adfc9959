"""Films: read, coloured with stable colours, written."""
