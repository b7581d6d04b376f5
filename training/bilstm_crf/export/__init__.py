"""Export of a trained tagger as a model bundle."""
