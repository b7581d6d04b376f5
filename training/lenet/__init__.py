"""LeNet-5 (LeCun, Bottou, Bengio and Haffner, 1998, section II.B), a classifier of images of single digits."""
