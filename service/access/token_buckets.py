"""Token buckets in memory that all worker processes share, so that a limit holds whichever of them answers.

The memory is of fixed size, so that a caller with many addresses cannot make it grow: where it is full, the bucket that
was used least recently makes room.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import secrets
import struct
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from service.access.rates import Rate

try:
    import fcntl
except ImportError:  # Windows has none; there is one process there.
    fcntl = None  # type: ignore[assignment]

_SETS, _WAYS = 4096, 8
_SALT_BYTES = 16
_BUCKET = struct.Struct("<Qdd")
"""A bucket: hash of whose it is (0: free), tokens left, and when that was, in seconds."""
_SET = struct.Struct("<" + "Qdd" * _WAYS)
_SIZE = _SALT_BYTES + _SETS * _SET.size

# A process that is stopped while it holds the lock must not stop the others. They go on without it, which may admit a
# request too many.
_LOCK_SECONDS = 0.002


class TokenBuckets:
    """Buckets of tokens, which fill evenly. What is asked for takes tokens out; an empty bucket refuses.

    Args:
        path: a file that other processes open too; None where there is one process.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            self._descriptor = None
            self._memory = mmap.mmap(-1, _SIZE)
            self._memory[:_SALT_BYTES] = secrets.token_bytes(_SALT_BYTES)
        else:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            held = self._lock(patiently=True)
            try:
                if os.fstat(self._descriptor).st_size < _SIZE:
                    # Written, not only made longer: a full disk is an error here, and not a crash later.
                    content = secrets.token_bytes(_SALT_BYTES) + bytes(_SIZE - _SALT_BYTES)
                    if os.pwrite(self._descriptor, content, 0) < _SIZE:
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                self._unlock(held)
            self._memory = mmap.mmap(self._descriptor, _SIZE)
        self._salt = self._memory[:_SALT_BYTES]

    def close(self) -> None:
        """Release the memory."""
        self._memory.close()
        if self._descriptor is not None:
            os.close(self._descriptor)

    def admit(self, owner: str, rates: Sequence[Rate]) -> float:
        """Take one request out of the buckets of an owner, unless one of them is empty.

        Args:
            owner: whose buckets.
            rates: a bucket for each. Those of model time must have a millisecond left; `charge` takes it out.

        Returns:
            0 if the request is admitted, else after how many seconds it would be.
        """
        now = time.monotonic()
        held = self._lock()
        try:
            buckets = [(rate, *self._find(owner, rate, now)) for rate in rates]
            wait = max([_wait(rate, tokens) for rate, _, _, tokens in buckets], default=0.0)
            if wait == 0.0:
                for rate, offset, identity, tokens in buckets:
                    left = tokens if rate.of_model_time else tokens - 1.0
                    _BUCKET.pack_into(self._memory, offset, identity, left, now)
        finally:
            self._unlock(held)
        return wait

    def charge(self, owner: str, rates: Sequence[Rate], milliseconds: float) -> None:
        """Take the model time that an admitted request took out of the owner's buckets; they may fall below zero."""
        now = time.monotonic()
        held = self._lock()
        try:
            for rate in rates:
                if rate.of_model_time:
                    offset, identity, tokens = self._find(owner, rate, now)
                    _BUCKET.pack_into(self._memory, offset, identity, tokens - milliseconds, now)
        finally:
            self._unlock(held)

    def _find(self, owner: str, rate: Rate, now: float) -> tuple[int, int, float]:
        """The offset, the identity and the tokens of a bucket, which is full where it is new."""
        identity, start = _place(self._salt, owner, rate)
        fields = _SET.unpack_from(self._memory, start)
        owners = fields[::3]
        if identity in owners:
            way = owners.index(identity)
            elapsed = max(0.0, now - fields[3 * way + 2])
            tokens = min(rate.amount, fields[3 * way + 1] + elapsed * rate.amount / rate.seconds)
        else:
            used = fields[2::3]
            way = owners.index(0) if 0 in owners else used.index(min(used))
            tokens = rate.amount
        return start + way * _BUCKET.size, identity, tokens

    def _lock(self, *, patiently: bool = False) -> bool:
        """Lock the memory against other processes; whether that worked within the time."""
        if self._descriptor is None or fcntl is None:
            return False
        if patiently:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            return True
        give_up = 0.0
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                now = time.monotonic()
                give_up = give_up or now + _LOCK_SECONDS
                if now > give_up:
                    return False
                os.sched_yield()
            else:
                return True

    def _unlock(self, held: bool) -> None:
        if held:
            assert self._descriptor is not None
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


@lru_cache(4096)
def _place(salt: bytes, owner: str, rate: Rate) -> tuple[int, int]:
    """The identity of a bucket, and the offset of the set of buckets that it belongs to."""
    digest = hashlib.blake2b(f"{rate} {owner}".encode(), digest_size=16, key=salt).digest()
    identity = int.from_bytes(digest[:8], "little") or 1
    return identity, _SALT_BYTES + int.from_bytes(digest[8:12], "little") % _SETS * _SET.size


def _wait(rate: Rate, tokens: float) -> float:
    """After how many seconds a bucket has a token."""
    return max(0.0, 1.0 - tokens) * rate.seconds / rate.amount
