"""The data of lenet: sources, files and batches."""
