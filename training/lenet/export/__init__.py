"""A trained lenet as a model bundle."""
