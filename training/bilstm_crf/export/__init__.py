"""A trained bilstm_crf as a model bundle."""
