"""The data of bilstm_crf: sources, files and batches."""
