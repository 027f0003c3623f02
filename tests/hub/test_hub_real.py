"""A real hub with its real proxy: signing in, servers behind their walls, and crashes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hub_driver import Hub, Person, code_of

from datauab.hub.accounts import Accounts
from datauab.hub.invite import create_instructor, invite_link, reset_password, revoke_invites

pytestmark = [pytest.mark.hub, pytest.mark.sandbox]

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def hub(course: Path, checkout: Path) -> Iterator[Hub]:
    hub = Hub(course, checkout)
    public = hub.settings.public / "toy"
    public.mkdir(parents=True)
    (public / "train.csv").write_text("PUBLIC-DATA")
    hub.start()
    yield hub
    hub.stop()
    left = hub.processes()
    for pid in left:
        os.kill(pid, 9)
    assert not left, "Ctrl-C leaves no process"


@pytest.fixture(scope="module")
def instructor(hub: Hub) -> Person:
    """An instructor who has come through the first sign-in."""
    person = Person(hub, "instructor")
    one_time = create_instructor(hub.settings, "instructor") or ""
    page = person.sign_in(one_time)
    assert page.url.path == "/hub/password"
    assert person.signed_in_as() is None, "a one-time password opens nothing but the page that replaces it"
    assert person.web.get("/hub/spawn").url.path.endswith("/login")
    assert person.choose_password(one_time).status_code == 400
    assert person.choose_password(PASSWORD).url.path == hub.settings.web_prefix
    assert person.signed_in_as() == "instructor"
    other = Person(hub, "instructor")
    assert other.sign_in(one_time).status_code == 403, "the one-time password is used up"
    return person


def joined(hub: Hub, name: str) -> Person:
    person = Person(hub, name)
    page = person.join(invite_link(hub.settings, hub.address), PASSWORD)
    assert page.url.path == hub.settings.web_prefix, page.text
    assert person.signed_in_as() == name
    return person


@pytest.fixture(scope="module")
def ana(hub: Hub) -> Person:
    """A student with a running server."""
    person = joined(hub, "ana")
    person.start_server()
    return person


@pytest.fixture(scope="module")
def berta(hub: Hub) -> Person:
    """Another student, whose work and whose token somebody may want."""
    person = joined(hub, "berta")
    person.start_server()
    person.run("open('work.txt', 'w').write('WORK-OF-BERTA'); secret = 'VARIABLE-OF-BERTA'")
    return person


def test_a_wrong_or_revoked_invite_says_so_and_makes_no_account(hub: Hub) -> None:
    link = invite_link(hub.settings, hub.address)
    for wrong in (link[:-2] + "xy", f"{hub.address}/hub/join"):
        page = Person(hub, "carla").join(wrong, PASSWORD)
        assert page.status_code == 403
        assert "invite link" in page.text
    revoke_invites(hub.settings)
    assert "no longer valid" in Person(hub, "carla").join(link, PASSWORD).text
    assert Accounts(hub.settings).find("carla") is None


@pytest.mark.parametrize(
    ("name", "says"), [("ANA", "taken"), ("ａｎａ", "taken"), ("instructor", "reserved"), ("аna", "2 to 32 characters")]
)
def test_no_name_can_be_taken_over_by_joining(hub: Hub, ana: Person, name: str, says: str) -> None:
    page = Person(hub).join(invite_link(hub.settings, hub.address), "password of a thief", name)
    assert page.status_code in (400, 409)
    assert says in page.text
    assert Accounts(hub.settings).verify("ana", PASSWORD) is not None


def test_forms_of_other_sites_are_refused(hub: Hub, ana: Person) -> None:
    code = code_of(invite_link(hub.settings, hub.address))
    fields = {"username": "dora", "password": PASSWORD, "repeated": PASSWORD, "code": code}
    assert httpx.post(f"{hub.address}/hub/join", data=fields).status_code == 403
    assert ana.web.post("/hub/password", data={**fields, "old": PASSWORD}).status_code == 403
    assert Accounts(hub.settings).find("dora") is None


def test_passwords_are_changed_with_the_old_one_and_other_browsers_have_to_sign_in_again(hub: Hub) -> None:
    person, elsewhere = joined(hub, "eva"), Person(hub, "eva")
    elsewhere.sign_in(PASSWORD)
    assert elsewhere.signed_in_as() == "eva"
    assert person.choose_password("another password", old="wrong").status_code == 400
    assert person.choose_password("another password", old=PASSWORD).status_code < 400
    assert person.signed_in_as() == "eva"
    assert elsewhere.signed_in_as() is None


def test_guessing_is_slowed_down_and_says_when_to_try_again(hub: Hub) -> None:
    joined(hub, "fina")
    guesser = Person(hub, "fina")
    answers = [guesser.sign_in(f"guess number {i}") for i in range(8)]
    assert answers[0].status_code == 403
    assert answers[-1].status_code == 429
    assert "Try again in" in answers[-1].text


def test_groups_tell_students_from_instructors(hub: Hub, ana: Person, instructor: Person) -> None:
    instructor.start_server()
    ask = (
        "import os, json, urllib.request as r;"
        "q = r.Request(os.environ['JUPYTERHUB_API_URL'] + '/user', headers={'Authorization': 'token ' + "
        "os.environ['JUPYTERHUB_API_TOKEN']}); print(json.load(r.urlopen(q))['groups'])"
    )
    course = hub.settings.course
    assert ana.run(ask).strip() == str([f"nbgrader-{course}"])
    assert instructor.run(ask).strip() == str([f"formgrade-{course}"])


def test_a_student_finds_the_public_data_and_the_package(hub: Hub, ana: Person) -> None:
    said = ana.run(
        "import os, datauab; p = os.environ['DATAUAB_PUBLIC'] + '/toy/train.csv'; print(open(p).read());"
        "print(os.environ['DATAUAB_WEB_URL'], os.getcwd(), os.environ['HOME'])\n"
        "open(p, 'w')"
    )
    assert "PUBLIC-DATA" in said
    assert f"http://127.0.0.1:{hub.settings.web_port}{hub.settings.web_prefix} /home/ana /home/ana" in said
    assert "Read-only file system" in said or "Permission denied" in said


def test_a_student_finds_no_file_of_anybody_else_by_path(hub: Hub, ana: Person, berta: Person) -> None:
    root = hub.root
    targets = [
        *(
            root / name
            for name in ("gradebook", "source", "submitted", "autograded", "jupyterhub_config.py", "hub.log")
        ),
        *(hub.settings.solutions, hub.settings.secrets, hub.settings.gradebook / "hub" / "accounts.db"),
        *(hub.settings.homes / "berta" / "work.txt", hub.settings.state / "logs", Path("/home/berta")),
        *(
            hub.checkout / "source",
            hub.checkout / "gradebook",
            hub.checkout / ".git",
            Path("/root"),
            Path("/etc/shadow"),
        ),
        *(Path("/var"), Path("/sys"), Path("/proc/1/root", "root"), Path("/proc/2/root") / str(root)[1:] / "gradebook"),
    ]
    code = f"import os\nfor t in {list(map(str, targets))!r}: print(t) if os.path.exists(t) else None"
    assert ana.run(code) == ""
    search = "grep -rlE 'WORK-OF-BERTA|HIDDEN-LABELS|REFERENCE-SOLUTION' / --include='*.txt' --include='*.npy' "
    search += f"--include='*.ipynb' --exclude-dir=proc --exclude-dir=usr --exclude-dir={Path(os.__file__).parent.name} "
    assert ana.run(f"import subprocess; print(subprocess.getoutput({search + '2>/dev/null'!r}))").strip() == ""


def test_a_student_sees_no_process_but_the_own_ones(ana: Person, berta: Person) -> None:
    said = ana.run(
        "import glob\n"
        "for p in glob.glob('/proc/[0-9]*'):\n"
        "    try: print(open(p + '/cmdline').read().replace(chr(0), ' ')); print(open(p + '/environ').read())\n"
        "    except OSError as e: print(type(e).__name__)\n"
    )
    assert "ana" in said
    for word in (
        "berta",
        "configurable-http-proxy",
        "datauab.grader",
        "datauab.web",
        "CONFIGPROXY_AUTH_TOKEN",
        "--bind",
    ):
        assert word not in said


def test_a_students_environment_holds_no_secret_of_the_hub(ana: Person) -> None:
    said = ana.run("import os; print(dict(os.environ))")
    assert "must-stay-here" not in said
    assert not re.search("CONFIGPROXY|DATAUAB_(DATABASE|ROOT|HOMES|GRADEBOOK)|COOKIE_SECRET", said)


def test_a_student_has_no_right_of_root_and_an_account_of_its_own(hub: Hub, ana: Person, berta: Person) -> None:
    code = "import os; print(os.getuid(), [l.split()[1] for l in open('/proc/self/status') if l[:4] == 'Cap' + 'E'])"
    mine, hers = ana.run(code), berta.run(code)
    assert mine.endswith("['0000000000000000']\n")
    if os.getuid() == 0:
        assert mine.split()[0] != hers.split()[0]
        assert int(mine.split()[0]) > 300_000
        assert (hub.settings.homes / "ana").stat().st_uid == int(mine.split()[0])
    assert (hub.settings.homes / "ana").stat().st_mode & 0o777 == 0o700


def test_kernels_listen_on_no_port(ana: Person) -> None:
    said = ana.run(
        "import json, glob, ipykernel.connect as c; print(json.loads(c.get_connection_info())['transport'])\n"
        "import contextlib, os; mine = set()\n"
        "for path in glob.glob('/proc/[0-9]*/fd/*'):\n"
        "    with contextlib.suppress(OSError): mine.add(os.readlink(path))\n"
        "lines = [l.split() for l in list(open('/proc/net/tcp'))[1:]]\n"
        "print(sum(l[3] == '0A' and f'socket:[{l[9]}]' in mine for l in lines))\n"
        "from ipykernel import debugger; print(debugger._is_debugpy_available)"
    )
    transport, listening, debugger = said.split()
    assert transport == "ipc"
    assert debugger == "False", "the debugger's port asks nobody for a password"
    # The server's own port asks for a token; ipykernel's, for what forked children print, for a random key.
    assert 1 <= int(listening) <= 2


def test_what_listens_on_loopback_asks_a_student_for_more_than_the_own_token(hub: Hub, ana: Person) -> None:
    settings = hub.settings
    bertas = (
        next(int(m[1]) for line in hub.processes("berta").values() if (m := re.search(r"--port=(\d+)", line)))
        if any("--port=" in line for line in hub.processes("berta").values())
        else None
    )
    paths = {
        f"http://127.0.0.1:{settings.proxy_api_port}/api/routes": None,
        f"http://127.0.0.1:{settings.hub_port}/hub/api/users": None,
        f"http://127.0.0.1:{settings.hub_port}/hub/api/users/berta": None,
        f"http://127.0.0.1:{settings.hub_port}/hub/api/groups": None,
        f"http://127.0.0.1:{settings.port}/user/berta/api/contents/work.txt": None,
        **({f"http://127.0.0.1:{bertas}/user/berta/api/contents/work.txt": None} if bertas else {}),
    }
    code = (
        "import os, json, urllib.request as r, urllib.error as e\n"
        f"for u in {list(paths)!r}:\n"
        "    q = r.Request(u, headers={'Authorization': 'token ' + os.environ['JUPYTERHUB_API_TOKEN']})\n"
        "    try: a = r.urlopen(q); print(a.status, a.url, a.read()[:300])\n"
        "    except e.HTTPError as x: print(x.code)\n"
    )
    said = ana.run(code).splitlines()
    assert len(said) == len(paths)
    assert all(line in ("403", "404") or "/hub/login" in line for line in said), said


def test_students_get_the_student_extensions_only(ana: Person, instructor: Person) -> None:
    assert ana.server("GET", "/formgrader").status_code == 404
    assert ana.server("GET", "/formgraders").status_code == 404
    assert ana.server("GET", "/assignments?course_id=data-uab").status_code == 200
    page = ana.server("GET", "/lab").text
    config = json.loads(re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert "@jupyter/nbgrader:formgrader" in str(config["disabledExtensions"])


def test_an_instructor_has_formgrader_and_course_but_not_the_keys(hub: Hub, instructor: Person) -> None:
    instructor.start_server()
    assert instructor.server("GET", "/formgrader/api/status").json() == {"status": True}
    page = instructor.server("GET", "/formgrader")
    assert "frame-ancestors 'self'" in page.headers["Content-Security-Policy"]
    courses = instructor.server("GET", "/formgraders").json()
    assert [item["course_id"] for item in courses["value"]] == [hub.settings.course], courses
    assert "toy" in [item["name"] for item in instructor.server("GET", "/formgrader/api/assignments").json()]
    said = instructor.run(
        "import os\n"
        "print(sorted(os.listdir('course')), sorted(os.listdir('course/gradebook/hub')))\n"
        "print(os.listdir('course/gradebook/secrets'), open('course/submitted/berta/toy/toy.ipynb').read())\n"
        "open('course/source/toy/new.txt', 'w').write('x')\n"
        "print(open('/proc/self/status').read())"
    )
    assert "'source'" in said
    assert "[]\n['split'] WORK-OF-BERTA" in said
    assert re.search(r"CapEff:\s+0{16}", said)
    assert (hub.root / "source" / "toy" / "new.txt").read_text() == "x"


def test_an_instructor_can_open_sandboxes_but_not_change_the_machine(instructor: Person) -> None:
    instructor.start_server()
    said = instructor.run(
        "import subprocess\nfrom datauab.autograde import sandbox\n"
        "box = sandbox.Sandbox(ro_binds=sandbox.base_binds(), symlinks=sandbox.base_symlinks())\n"
        "print(subprocess.run(box.command(['echo', 'inside']), capture_output=True, text=True))\n"
        "for f in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger'):\n"
        "    try: open(f, 'r+'); print('OPEN')\n"
        "    except OSError: print('shut')\n"
    )
    assert "inside" in said
    assert "OPEN" not in said


def test_a_reset_account_is_signed_out_and_has_to_choose_a_new_password(hub: Hub) -> None:
    person = joined(hub, "gina")
    one_time = reset_password(hub.settings, "gina")
    hub.wait_for(lambda: person.signed_in_as() is None, 40)
    assert person.sign_in(PASSWORD).status_code == 403
    assert person.sign_in(one_time).url.path == "/hub/password"
    assert person.choose_password("a password of my own").url.path == hub.settings.web_prefix


def test_after_a_crash_the_hub_comes_up_and_servers_go_on(hub: Hub, ana: Person) -> None:
    before = hub.processes()
    keepers = set(hub.processes("homes/ana"))
    assert keepers
    hub.kill()
    hub.wait_for(
        lambda: (
            not any(
                word in line for line in hub.processes().values() for word in ("proxy", "datauab.web", "datauab.grader")
            )
        ),
        15,
    )
    hub.start()
    assert ana.signed_in_as() == "ana"
    assert ana.server_is_up()
    assert set(hub.processes("homes/ana")) == keepers, "the very same server"
    assert "6" in ana.run("print(2 * 3)")
    assert before
    ana.web.cookies.clear()
    ana.sign_in(PASSWORD)
    xsrf = re.search(r'xsrf_token: "([^"]+)"', ana.web.get("/hub/home").text)
    assert xsrf
    stopped = ana.web.delete("/hub/api/users/ana/server", headers={"X-XSRFToken": xsrf[1]})
    assert stopped.status_code in (202, 204), stopped.text
    hub.wait_for(lambda: not set(hub.processes("homes/ana")) & keepers, 20)
