# The course, for every `nbgrader` command that runs from this folder.
from datauab.autograde.config import configure_autograde
from datauab.course import configure_course
from datauab.exchange import configure_exchange
from datauab.settings import load_settings

c = get_config()
settings = load_settings()

configure_course(c, settings)
configure_exchange(c)
configure_autograde(c)
