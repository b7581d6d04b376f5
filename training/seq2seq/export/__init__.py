"""Export of a trained translator as a model bundle."""
