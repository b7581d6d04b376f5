"""The encoder-decoder network."""
