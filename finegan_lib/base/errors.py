"""The exceptions of this library: bad user input, a training that went wrong or was stopped."""

import signal


class InputError(ValueError):
    """Raised when a file, an option or an argument given by the user cannot be used.

    The message always has three parts: what is wrong, the value that was seen, and what to do.

    Args:
        what: what is wrong, without a full stop, e.g. ``"n_children must be at least n_parents"``.
        seen: the value seen; shown with ``repr`` unless it is a string.
        cure: what the user can do about it, an imperative sentence.
    """

    def __init__(self, what, *, seen=None, cure=None):
        if cure is None:
            # One argument is a whole message. Data loaders and pickle build the error in this way
            # in the parent process; a loader passes the worker's traceback, with the message last.
            super().__init__(what.rpartition("InputError: ")[2].strip())
            return
        shown = seen if isinstance(seen, str) else repr(seen)
        super().__init__(f"{what}; got {shown}. {cure}")


class TrainingDiverged(RuntimeError):
    """A loss or a weight is not finite. The checkpoints on the disk are from earlier steps."""


class TrainingStopped(KeyboardInterrupt):
    """A signal ended a training after a whole step; its checkpoint is on the disk.

    Args:
        message: says how to go on.
        number: the signal.
    """

    def __init__(self, message: str, number: int = signal.SIGINT):
        super().__init__(message)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status that a shell expects: 130 after SIGINT, 143 after SIGTERM."""
        return 128 + self.number


class WorkerLost(RuntimeError):
    """Another process of this training has ended. The checkpoints on the disk are intact."""
