"""The life of models: loading, versions, serving, scheduling, unloading."""
