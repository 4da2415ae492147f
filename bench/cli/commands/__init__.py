"""The verbs of the command line, one a file: HELP, `arguments(parser)` and `run(args) -> exit code`."""
