"""Stop a training after a whole step, not in the middle of one."""

import signal
import threading


class StopRequest:
    """A context in which the first SIGINT (Ctrl-C) or SIGTERM only sets ``signal``.

    Then both have their usual effect again, so a second Ctrl-C stops at once. A signal that the
    process ignores (as under nohup) stays ignored. Outside the main thread nothing changes, because
    Python handles signals only in the main thread.

    >>> with StopRequest() as stop:
    ...     while not stop.signal:
    ...         work()
    """

    def __init__(self):
        self.signal: signal.Signals | None = None
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_):
        while self._before:
            signal.signal(*self._before.popitem())

    def _note(self, number, frame):
        self.signal = signal.Signals(number)
        self.__exit__()

    def until(self, batches, agree=bool):
        """The batches of a data loader, until a stop is requested.

        Args:
            batches: the data loader.
            agree: (whether this process is to stop) → whether all stop; for several processes
                ``distributed.agree``, so that all stop after the same batch.
        """
        try:
            for batch in batches:
                yield batch
                if agree(bool(self.signal)):
                    return
        except RuntimeError:  # the signal went to the loader's processes, too
            if not self.signal:
                raise


def ignore_interrupts(worker: int = 0) -> None:
    """For a data loader's processes: they ignore Ctrl-C, so that the main process can finish its
    step."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
