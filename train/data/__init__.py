"""Find and read training photos, and keep them in memory or stream them."""
