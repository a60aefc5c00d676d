"""`python -m evsctl`: the same command line as the `evsctl` script."""

from evsctl.cli.main import main

if __name__ == "__main__":
    main()
