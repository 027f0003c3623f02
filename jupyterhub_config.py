"""JupyterHub of the club: `jupyterhub -f jupyterhub_config.py`, or `./club up`, which prepares everything first.

Settings come from club.toml and DATAUAB_ variables (datauab/settings.py); what they mean for the hub is in
datauab/hub. Options of another authenticator go here, below `configure`: with `authenticator = "generic-oauth"` in
club.toml (and oauthenticator installed), for instance

    c.GenericOAuthenticator.client_id = "..."
    c.GenericOAuthenticator.authorize_url = "https://..."
"""

from datauab.hub import configure
from datauab.settings import load_settings

c = get_config()
configure(c, load_settings())
