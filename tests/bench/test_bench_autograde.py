import pytest

from datauab.bench import bench_autograde


@pytest.mark.sandbox
@pytest.mark.training
def test_both_paths_grade_the_class_and_every_stage_is_counted() -> None:
    figures = {figure.name: figure.value for figure in bench_autograde(submissions=1)}
    assert figures["linear.ratio"] == pytest.approx(figures["linear.stock"] / figures["linear.club"])
    stages = {name: value for name, value in figures.items() if ".stage." in name}
    assert set(stages) == {
        f"linear.stage.{name}" for name in ("start", "cells", "export", "score", "autograder", "convert")
    }
    assert all(value > 0 for value in stages.values())
