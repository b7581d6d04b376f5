"""Image data for LeNet: sources, splits and augmentation."""
