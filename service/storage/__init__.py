"""What the server keeps on disk for its callers: translated files for some minutes, and suggested translations."""
