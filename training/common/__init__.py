"""What the families share: seeds, devices, checkpoints, data sets, run directories, export. No trainer."""
