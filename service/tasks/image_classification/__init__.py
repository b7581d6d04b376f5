"""Image classification: pictures or ready pixels in, labels with probabilities out."""
