"""Limits of what one caller may ask for: of its API key, or of its address where it has none."""

from __future__ import annotations

import ipaddress
import math
import os
from functools import lru_cache
from pathlib import Path

from service.access.keys import ApiKey
from service.access.rates import Rate, parse_rates
from service.access.token_buckets import TokenBuckets
from service.errors import ConfigurationError, QuotaExceeded
from service.limits import variable
from service.observability import MULTIPROCESS_DIR
from service.settings import Settings

_FILE = "quotas"
_IPV6_PREFIX = 64  # What one subscriber is assigned at least.


class Quotas:
    """Admits requests within the limits of their callers, over all worker processes.

    Args:
        settings: the settings of the service.

    Raises:
        ConfigurationError: `rate_limit` is no rate, or there is no room for the buckets.
    """

    def __init__(self, settings: Settings) -> None:
        try:
            self._address_rates = parse_rates(settings.rate_limit) if settings.rate_limit else ()
        except ValueError as error:
            raise ConfigurationError(f"{variable('rate_limit')}: {error}") from error
        self.limits_addresses = bool(self._address_rates)
        self._buckets = _open_buckets() if self.limits_addresses or settings.api_keys else None

    def admit(self, key: ApiKey | None, address: str) -> None:
        """Count a request.

        Args:
            key: the API key of the caller; None takes its address.
            address: where the request comes from.

        Raises:
            QuotaExceeded: the caller has asked for too much.
        """
        owner, rates = self._owner(key, address)
        if rates and self._buckets is not None and (wait := self._buckets.admit(owner, rates)):
            seconds = math.ceil(wait)
            whose = "this API key" if key else "this address"
            text = f"the limit of {whose} is {', '.join(map(str, rates))}; try again in {seconds} s"
            raise QuotaExceeded(text, seconds)

    def charge(self, key: ApiKey | None, address: str, seconds: float) -> None:
        """Count the model time that an admitted request took."""
        if not seconds:
            return
        owner, rates = self._owner(key, address)
        if self._buckets is not None and any(rate.of_model_time for rate in rates):
            self._buckets.charge(owner, rates, seconds * 1e3)

    def _owner(self, key: ApiKey | None, address: str) -> tuple[str, tuple[Rate, ...]]:
        if key is not None:
            return f"key {key.name}", key.rates
        return f"address {subscriber(address)}", self._address_rates


def _open_buckets() -> TokenBuckets:
    """The buckets of all worker processes, or of this one where it is the only one."""
    folder = os.environ.get(MULTIPROCESS_DIR)
    try:
        return TokenBuckets(Path(folder, _FILE) if folder else None)
    except OSError as error:
        reason = f"the memory for limits cannot be made in {folder} ({error.strerror}); make room there, or set TMPDIR"
        raise ConfigurationError(reason) from error


@lru_cache(4096)
def subscriber(address: str) -> str:
    """The network that an address stands for: itself for IPv4, the first 64 bits for IPv6."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return str(ip if ip.version == 4 else ipaddress.ip_network((ip, _IPV6_PREFIX), strict=False))
