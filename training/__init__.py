"""Lectern trainers: offline PyTorch."""
