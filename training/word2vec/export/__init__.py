"""Export of word vectors as a model bundle."""
