"""The network of word2vec."""
