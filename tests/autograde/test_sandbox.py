"""The wall itself: what is named is there, everything else is not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from datauab.autograde import sandbox
from datauab.autograde.sandbox import Bind, Sandbox, Tmpfs, base_binds, base_symlinks, python_binds, python_env
from datauab.errors import SandboxUnavailable

pytestmark = pytest.mark.sandbox

ACCOUNT = 0x6FFF_FFF1


@pytest.fixture(params=["own", "userns"] if sandbox.mode() == "account" else ["userns"])
def plain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    if request.param == "userns":
        monkeypatch.setattr(sandbox, "probe", lambda: "userns")
    return Sandbox(
        ro_binds=(*base_binds(), *python_binds()),
        tmpfs=(Tmpfs("/tmp", 8),),
        symlinks=base_symlinks(),
        env=python_env(),
        account=ACCOUNT,
        chdir="/tmp",
    )


def said(box: Sandbox, script: str) -> str:
    command = box.command(["sh", "-c", script])
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout


def test_only_sized_folders_can_be_written(plain: Sandbox) -> None:
    text = said(
        plain, "for p in / /dev /usr /etc /proc /home; do touch $p/x && echo wrote $p; done; touch /tmp/x && echo ok"
    )
    assert "wrote" not in text
    assert text.rstrip().endswith("ok")
    full = said(
        plain, "head -c 20000000 /dev/zero > /tmp/big; stat -c %s /tmp/big; head -c 999999999 /dev/zero > /dev/shm/x"
    )
    assert "No space left" in full
    assert "8388608" in full


def test_the_environment_of_the_caller_stays_outside(plain: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUB_TOKEN", "hush-4711")
    text = said(plain, "env; for p in /proc/[0-9]*; do cat $p/environ; done 2>/dev/null | tr '\\0' '\\n'")
    assert "hush-4711" not in text
    assert "PYTHONPATH" in text


def test_paths_and_secrets_are_not_on_the_command_line(plain: Sandbox, tmp_path: Path) -> None:
    from dataclasses import replace

    box = replace(
        plain, env={**plain.env, "TOKEN": "hush-4712"}, ro_binds=(*plain.ro_binds, Bind(tmp_path, Path("/x")))
    )
    with box.popen(["sh", "-c", "echo $TOKEN; sleep 1"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "hush-4712"
        lines = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.kill()
    assert b"hush-4712" not in lines
    assert str(tmp_path).encode() not in lines


def test_masked_paths_look_empty_and_binds_below_closed_folders_are_seen(plain: Sandbox, tmp_path: Path) -> None:
    from dataclasses import replace

    closed = tmp_path / "closed"
    shown = closed / "shown"
    (shown / "secret").mkdir(parents=True)
    (shown / "secret" / "labels").write_text("1", encoding="ascii")
    (shown / "key").write_text("key", encoding="ascii")
    (shown / "page").write_text("page", encoding="ascii")
    closed.chmod(0o700)
    box = replace(plain, ro_binds=(*plain.ro_binds, Bind(shown)), masks=(shown / "secret", shown / "key"))
    text = said(box, f"cat {shown}/page; ls -A {shown}/secret; cat {shown}/key; touch {shown}/secret/x; ls {closed}")
    assert text.startswith("page")
    assert "labels" not in text
    assert "keys" not in text
    assert "Read-only" in text or "denied" in text
    assert text.rstrip().endswith("shown")


def test_network_processes_and_devices_are_its_own(plain: Sandbox) -> None:
    text = said(plain, "ls -d /proc/[0-9]* | wc -l; tail -n +3 /proc/net/dev | grep -vc 'lo:'; ls /dev")
    processes, networks, *devices = text.split()
    assert int(processes) < 8
    assert networks == "0"
    assert not {"vda", "sda", "mem", "kmsg"} & set(devices)


@pytest.mark.skipif(sandbox.mode() != "account", reason="only root gives a command another account")
def test_as_root_the_command_gets_its_account_and_no_capability() -> None:
    box = Sandbox(ro_binds=base_binds(), symlinks=base_symlinks(), account=ACCOUNT)
    text = said(box, "id -u; grep Cap /proc/self/status")
    assert text.split()[0] == str(ACCOUNT)
    assert {line.split()[1] for line in text.splitlines()[1:]} == {"0" * 16}
    own = said(Sandbox(ro_binds=base_binds(), symlinks=base_symlinks()), "id -u; grep CapEff /proc/self/status")
    assert own.split()[0] == str(os.getuid())
    assert own.split()[-1] == "0" * 16


@pytest.mark.skipif(sandbox.mode() != "account", reason="the rule is about root's number, and this is not root")
def test_root_makes_no_sandbox_in_which_others_are_made_under_its_own_number() -> None:
    with pytest.raises(SandboxUnavailable, match="account"):
        Sandbox(ro_binds=base_binds(), nestable=True).command(["true"])
