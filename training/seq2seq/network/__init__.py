"""The network of seq2seq."""
