"""The word2vec models: kernels for the CPU, tensor operations for a GPU, and an autograd reference."""
