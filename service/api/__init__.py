"""The only layer that speaks HTTP."""
