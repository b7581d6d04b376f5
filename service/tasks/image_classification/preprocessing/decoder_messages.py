"""Keeps the decoders of pictures from writing to the log: anyone may send damaged files, in any number."""

import ctypes
import logging
import warnings

from PIL import _imaging


def silence_decoders() -> None:
    """Stop the warnings, log lines and lines on standard error that Pillow and libtiff write about damaged files.

    Nothing is lost: what is wrong with a file is raised as an error and answered.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    # Pillow has no interface to libtiff's handlers; the dynamic linker finds them through Pillow's own module.
    pillow = ctypes.CDLL(_imaging.__file__)
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        set_handler = getattr(pillow, name, None)
        if set_handler is not None:
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)
