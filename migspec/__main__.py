"""`python -m migspec`: the command line."""

from migspec.cli.main import run

if __name__ == "__main__":
    run()
