"""The network of lenet."""
