"""Keeps the decoders of pictures from writing to the log: anyone may send damaged files, in any number."""

import ctypes
import logging
import warnings

import cv2
from PIL import _imaging


def silence_decoders() -> None:
    """Stop what Pillow, libtiff and OpenCV write about damaged files, in warnings, log lines and on standard error.

    Nothing is lost: what is wrong with a file is raised as an error and answered.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    # Pillow has no interface to libtiff's handlers; the dynamic linker finds them through Pillow's own module.
    pillow = ctypes.CDLL(_imaging.__file__)
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        set_handler = getattr(pillow, name, None)
        if set_handler is not None:
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)
