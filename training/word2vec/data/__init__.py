"""The data of word2vec: sources, files and batches."""
