"""Data for seq2seq: where they come from, cleaning, splits, augmentation and batches."""
