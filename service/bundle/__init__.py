"""The contract between training and serving: manifests, bundles on disk, and the comparison of sample answers.

Imports only the standard library, numpy, pydantic and orjson.
"""
