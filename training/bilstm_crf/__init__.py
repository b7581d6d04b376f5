"""BiLSTM-CRF taggers: parts of speech, named entities, or any other tag per word."""
