"""A trained word2vec as a model bundle."""
