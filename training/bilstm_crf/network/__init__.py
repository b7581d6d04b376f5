"""The network of bilstm_crf."""
