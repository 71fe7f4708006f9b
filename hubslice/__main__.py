"""`python -m hubslice`."""

from hubslice.console import main

main()
