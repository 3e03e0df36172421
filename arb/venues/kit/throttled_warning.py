"""A warning about a venue's data, written so rarely that no venue fills a disk or holds up the loop with it."""

import logging


class ThrottledWarning:
    """Writes a warning at its first, second, fourth, eighth ... occasion, with how often it was due so far."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self.count = 0

    def warn(self, text: str) -> None:
        self.count += 1
        if not self.count & (self.count - 1):
            self._log.warning("%s%s", text, f" ({self.count} times so far)" if self.count > 1 else "")
