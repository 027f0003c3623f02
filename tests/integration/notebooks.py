"""Notebooks that students of the tests hand in: their own cells, and the released autograder cells."""

from __future__ import annotations

from pathlib import Path

import nbformat

GOOD = """
import numpy as np
import datauab
from sklearn.ensemble import GradientBoostingRegressor

data = datauab.load("bitcoin")
train = data.train.dropna()
columns = [name for name in data.test.columns]
model = GradientBoostingRegressor(random_state=0).fit(train[columns], train["btc_market_price"])
predictions = model.predict(data.test[columns])
datauab.check("bitcoin", predictions)
"""

# Halfway between the mean and a good model: about 0.64 on any rows, so between no marks and all of them.
FAIR = """
import numpy as np
import datauab
from sklearn.tree import DecisionTreeRegressor

data = datauab.load("bitcoin")
train = data.train.dropna()
columns = [name for name in data.test.columns]
model = DecisionTreeRegressor(random_state=0).fit(train[columns], train["btc_market_price"])
mean = train["btc_market_price"].mean()
predictions = mean + 0.4 * (model.predict(data.test[columns]) - mean)
"""

POOR = """
import numpy as np
import datauab

data = datauab.load("bitcoin")
predictions = np.full(len(data.test), data.train["btc_market_price"].mean())
"""

BROKEN = """
import numpy as np
import datauab

predictions = np.full(len(datauab.load("bitcoin").test), np.nan)
"""


def own_work(released: Path, code: str) -> nbformat.NotebookNode:
    """Make a notebook of one own cell and the released notebook's graded cells."""
    notebook = nbformat.read(released, as_version=4)
    graded = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    own = nbformat.v4.new_code_cell(code.strip())
    notebook.cells = [own, *graded]
    return notebook
