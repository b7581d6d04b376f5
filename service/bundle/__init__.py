"""The contract between training and serving: bundles, and the pre- and post-processing that both halves use.

Imports only the standard library, numpy, pydantic, orjson and the image libraries.
"""
