"""The commands of the command line: one module each, imported when it is called.

A module has ``DESCRIPTION``, ``add_arguments(parser)`` and ``run(arguments)``.
"""
