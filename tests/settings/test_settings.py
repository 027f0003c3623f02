from __future__ import annotations

from pathlib import Path

import pytest

from datauab.errors import ConfigurationError
from datauab.settings import find_root, load_settings


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATAUAB_ROOT", "DATAUAB_RAW", "DATAUAB_PORT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "source").mkdir()
    (tmp_path / "nbgrader_config.py").touch()
    return tmp_path


def test_defaults_are_absolute_and_inside_the_root(root: Path) -> None:
    settings = load_settings(root)
    assert settings.public == root / ".club" / "public"
    assert settings.database == f"sqlite:///{root}/gradebook/gradebook.db"
    ports = {settings.port, settings.hub_port, settings.proxy_api_port, settings.web_port}
    assert len(ports) == 4


def test_file_then_environment_then_arguments_win(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "club.toml").write_text('port = 8100\nclub = "Elsewhere"\n[limits]\nmemory_mb = 999\n')
    assert load_settings(root).port == 8100
    monkeypatch.setenv("DATAUAB_PORT", "8200")
    assert load_settings(root).port == 8200
    assert load_settings(root, port=8300).port == 8300
    assert load_settings(root).club == "Elsewhere"
    assert load_settings(root).limits.memory_mb == 999


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [("prot = 8000", "prot", "8000"), ('port = "many"', "port", "many"), ("[limits]\nmemory_mb = 1", "memory_mb", "1")],
)
def test_a_wrong_setting_names_key_and_found(root: Path, text: str, key: str, found: str) -> None:
    (root / "club.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(root)
    assert key in str(caught.value)
    assert found in str(caught.value)
    assert "club.toml" in str(caught.value)


def test_a_broken_file_is_a_configuration_error(root: Path) -> None:
    (root / "club.toml").write_text("port = = 3")
    with pytest.raises(ConfigurationError, match=r"club\.toml"):
        load_settings(root)


def test_the_root_is_found_from_below(root: Path) -> None:
    deep = root / "source" / "bitcoin"
    deep.mkdir(parents=True)
    assert find_root(deep) == root
