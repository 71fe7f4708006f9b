"""`python -m hubslice`."""

from hubslice.app import main

main()
