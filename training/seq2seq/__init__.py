"""Translators: LSTM sequence to sequence networks with attention."""
