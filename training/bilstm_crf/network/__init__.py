"""The BiLSTM-CRF network."""
