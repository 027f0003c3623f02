"""``python -m datauab.web``."""

from datauab.web.service import main

main()
