"""JupyterHub as the club runs it: sign-in, walls around servers, services, groups and roles.

``configure(c, settings)`` is all that ``jupyterhub_config.py`` calls.
"""

from datauab.hub.config import configure

__all__ = ["configure"]
