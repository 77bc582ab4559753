"""The drawn world that these tests share."""

from tests.drawn_world import birds, noise, oracle

__all__ = ["birds", "noise", "oracle"]
