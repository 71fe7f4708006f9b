"""`python -m hubslice`."""

from hubslice.cli import main

main()
