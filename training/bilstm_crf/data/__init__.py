"""Training data of the taggers: data sets, column files, vocabulary and batches."""
