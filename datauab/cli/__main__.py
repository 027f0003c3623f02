"""``python -m datauab.cli``: what the script ``club`` runs."""

from datauab.cli import main

main()
