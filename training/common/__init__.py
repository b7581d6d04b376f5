"""Code that the model families share: commands, settings, run directories, data, export. No training loop."""
