"""The training corpus of word2vec: text files, phrase detection, and the encoded corpus on disk."""
