"""`python -m hemostat.site.cli`."""

from hemostat.site.cli import main

main()
