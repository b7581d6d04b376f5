"""The data of seq2seq: sources, files and batches."""
