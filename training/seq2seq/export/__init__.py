"""A trained seq2seq as a model bundle."""
