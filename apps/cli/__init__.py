"""The ``playground`` command: one module a command group, imported only when that command runs."""
