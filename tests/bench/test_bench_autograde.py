import pytest

from datauab.bench.autograde import STAGES, bench_autograde
from datauab.settings import load_settings


@pytest.mark.sandbox
@pytest.mark.training
def test_both_paths_grade_the_class_and_every_stage_is_counted() -> None:
    told: list[str] = []
    found = bench_autograde(load_settings(), submissions=2, stock=1, got=0, idle=1, slurm=0, tell=told.append)
    figures = {figure.name: figure.value for figure in found}
    assert figures["linear.ratio"] == pytest.approx(figures["linear.stock"] / figures["linear.club"])
    stages = {name: value for name, value in figures.items() if ".stage." in name}
    assert set(stages) == {f"linear.stage.{name}" for name in STAGES}
    assert all(value > 0 for value in stages.values())
    assert 0 < figures["overhead"] < figures["submit_to_board"]
    assert figures["kernel.mb"] > 0
    assert len(told) == 4
