"""The one exception class for bad user input."""


class InputError(ValueError):
    """Raised when a file, an option or an argument given by the user cannot be used.

    The message always has three parts: what is wrong, the value that was seen, and what to do.

    Args:
        what: what is wrong, without a full stop, e.g. ``"n_children must be at least n_parents"``.
        seen: the value seen; shown with ``repr`` unless it is a string.
        cure: what the user can do about it, an imperative sentence.
    """

    def __init__(self, what, *, seen=None, cure=None):
        if cure is None:  # a whole message: so data loaders and pickle make it anew in a parent
            super().__init__(what)
            return
        shown = seen if isinstance(seen, str) else repr(seen)
        super().__init__(f"{what}; got {shown}. {cure}")
