"""The live shell: the loop, the executor, control and view."""
