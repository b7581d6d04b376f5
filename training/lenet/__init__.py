"""LeNet-5 (LeCun, Bottou, Bengio and Haffner, 1998, section II.B), the reader of single digits."""
