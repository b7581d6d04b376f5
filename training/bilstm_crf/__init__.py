"""BiLSTM-CRF taggers: parts of speech, named entities, any tag per word."""
