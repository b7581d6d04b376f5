"""The log of a server that starts."""

from __future__ import annotations

import logging

from service.observability import configure_logging
from service.settings import Settings, unknown_variables

log = logging.getLogger(__name__)


def start_log(settings: Settings) -> None:
    """Send the log to standard error, and warn of variables that set nothing."""
    configure_logging(settings.log_level)
    for name in unknown_variables():
        log.warning("unknown setting", extra={"fields": {"variable": name, "see": "lectern serve --help"}})
