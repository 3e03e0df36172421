"""The exit codes: what a caller may conclude without reading a word."""

EXIT_OK = 0
EXIT_USAGE = 2
"""Bad usage or configuration."""
EXIT_CHECK = 3
"""A check did not pass, or a venue did not answer as it must."""
EXIT_HALTED = 4
"""Trading halted itself, or left pairs open."""
EXIT_INTERRUPTED = 130
