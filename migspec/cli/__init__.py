"""The command line: one small file a command, each of which parses, calls the API, and renders."""
