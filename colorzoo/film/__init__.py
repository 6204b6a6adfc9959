"""Read films, colour them with stable colours, and write them."""
