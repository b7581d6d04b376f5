"""The record of a request to a model, from its admission to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from service.errors import DeviceLost
from service.observability import Timings
from service.serving.admission import Admission
from service.serving.recorder import Recorder
from service.serving.ticket import Ticket
from service.tasks.scheduling import Work


class RequestRecords:
    """Opens the records of the requests to one version of a model.

    Args:
        admission: admits them and counts them out.
        recorder: has the metrics of how they ended.
        deadline_seconds: the maximum time for one request.
    """

    def __init__(self, admission: Admission, recorder: Recorder, deadline_seconds: float) -> None:
        self.admission = admission
        self.recorder = recorder
        self.deadline_seconds = deadline_seconds
        self._idle: asyncio.Event | None = None
        """Set once no admitted request is in flight, where somebody waits for that."""
        self.on_device_lost: Callable[[DeviceLost], None] | None = None
        """Told of a run that says that the device will fail all others too."""

    def open(self, timings: Timings) -> RequestRecord:
        """The record of a request that has just begun."""
        return RequestRecord(self, timings)

    async def wait_until_idle(self) -> None:
        """Return once no admitted request is in flight."""
        while self.admission.in_flight:
            if self._idle is None:
                self._idle = asyncio.Event()
            await self._idle.wait()

    def note_end(self) -> None:
        """Note that a request was counted out."""
        if self._idle is not None and not self.admission.in_flight:
            self._idle.set()
            self._idle = None


class RequestRecord:
    """The record of one request: a `with` block around it, or `close` or `cancel` at its end.

    A class, as a generator would cost a hot request several microseconds.
    """

    __slots__ = ("_records", "_ticket", "_timings")

    def __init__(self, records: RequestRecords, timings: Timings) -> None:
        self._records = records
        self._timings = timings
        self._ticket: Ticket | None = None

    def admit(self, work: Work, timeout: float | None, client: str | None) -> Ticket:
        """Admit the request.

        Args:
            work: its estimate.
            timeout: seconds that it may take, if it asks for less than the setting.
            client: the address of the client, if that is known.

        Raises:
            LecternError: what `Admission.enter` raises.
        """
        records = self._records
        started, seconds = self._timings.started, records.deadline_seconds
        if timeout is not None and timeout < seconds:
            seconds = timeout
        self._ticket = records.admission.enter(work, started + seconds, client, started=started)
        return self._ticket

    def close(self, error: BaseException | None = None) -> None:
        """Count the request out, if it was admitted, and record how it ended."""
        self._leave(finished=error is None)
        if error is None:
            self._records.recorder.succeeded(self._timings)
        else:
            self._records.recorder.failed(error, self._timings)
            if isinstance(error, DeviceLost) and self._records.on_device_lost is not None:
                self._records.on_device_lost(error)

    def cancel(self) -> None:
        """Count the request out, if it was admitted, and record nothing: it is to be answered in another way."""
        self._leave(finished=False)

    def _leave(self, *, finished: bool) -> None:
        if self._ticket is None:
            return
        records = self._records
        records.admission.leave(self._ticket, finished=finished)
        records.note_end()

    def __enter__(self) -> RequestRecord:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close(error)
