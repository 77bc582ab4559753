"""The page that runs the shipped networks in a browser: its scripts, `site/`, and its builder."""

from .build import build_page

__all__ = ["build_page"]
