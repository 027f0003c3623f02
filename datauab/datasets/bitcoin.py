"""Bitcoin: the daily state of the network and its market, 2010-02-23 to 2018-02-20.

Origin: Kaggle ``sudalairajkumar/cryptocurrencypricehistory``, file ``bitcoin_dataset.csv``, from Blockchain.info.
Licence: CC0. 2,920 days; 24 columns: ``Date``, the target ``btc_market_price`` (USD) and 22 more:

============================================================  ==========================================
``btc_total_bitcoins``                                        bitcoins mined so far
``btc_market_cap``                                            bitcoins mined so far times price, USD
``btc_trade_volume``                                          traded on exchanges, USD; 21 values missing
``btc_blocks_size``                                           all blocks so far, MB
``btc_avg_block_size``                                        MB a block
``btc_n_orphaned_blocks``                                     blocks outside the main chain
``btc_n_transactions_per_block``                              mean of the day
``btc_median_confirmation_time``                              minutes
``btc_hash_rate``                                             10¹² hashes a second
``btc_difficulty``                                            of finding a block, set anew every two weeks
``btc_miners_revenue``                                        new bitcoins and fees, USD
``btc_transaction_fees``                                      BTC
``btc_cost_per_transaction_percent``                          miners' revenue in percent of the volume
``btc_cost_per_transaction``                                  miners' revenue a transaction, USD
``btc_n_unique_addresses``, ``btc_n_transactions``            of the day
``btc_n_transactions_total``                                  so far
``btc_n_transactions_excluding_popular``                      without the 100 busiest addresses
``btc_n_transactions_excluding_chains_longer_than_100``       without long chains of transactions
``btc_output_volume``, ``btc_estimated_transaction_volume``   moved, BTC; the second without change money
``btc_estimated_transaction_volume_usd``                      the same, USD
============================================================  ==========================================

The public test features lack what `WITHHELD` lists, each with its reason: columns that give the price away (checked on
the data by `datauab.datasets.giveaways` whenever the data is prepared), and columns from which a day's place in the
raw file could be read. Training and validation rows have every column.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datauab.datasets.giveaways import THRESHOLD, find_giveaways
from datauab.datasets.records import Dataset, Plan, Progress, RawFile
from datauab.datasets.splits import constants, generator
from datauab.datasets.standins import bitcoin as stand_in
from datauab.datasets.tables import read_table, require_complete, write_table
from datauab.errors import DataError

FILE = "bitcoin_dataset.csv"
TARGET = "btc_market_price"
ROWS = 2920
HIDDEN = 292
"""Rows of the validation part and of the hidden test: a tenth each."""

WITHHELD = {
    "Date": "it is the place in the raw file",
    TARGET: "it is the target",
    "btc_market_cap": "alone: R² 0.9996",
    "btc_estimated_transaction_volume_usd": "divided by the same volume in BTC: R² 0.999997",
    "btc_cost_per_transaction_percent": "miners' revenue / it / volume in BTC: R² 0.99997",
    "btc_miners_revenue": "divided by the bitcoins a day's blocks bring: R² 0.9994",
    "btc_cost_per_transaction": "times the number of transactions it is the miners' revenue",
    "btc_total_bitcoins": "it only grows: sorting by it gives the raw order",
    "btc_blocks_size": "it only grows: sorting by it gives the raw order",
    "btc_n_transactions_total": "it only grows: sorting by it gives the raw order",
    "btc_difficulty": "it stays for two weeks: with the dates of training days it tells the days between",
}
"""Columns that the public test features lack, and why."""


def read(files: Mapping[str, Path]) -> pd.DataFrame:
    """Read and check the raw file.

    Raises
    ------
    DataError
        Where its columns, types or number of rows are not the source's, or it has gaps elsewhere than in
        ``btc_trade_volume``.
    """
    path = files[FILE]
    frame = read_table(path, stand_in.COLUMNS, ("Date",), ROWS)
    require_complete(path, frame, [name for name in frame.columns if name != "btc_trade_volume"])
    days = pd.to_datetime(frame["Date"], errors="coerce")
    bad = frame.index[days.isna() | days.duplicated()]
    if len(bad):
        raise DataError(f"{path}: column Date: expected 2,920 different days, found {frame['Date'][bad[0]]!r}")
    return frame


def plan(frame: pd.DataFrame, secret: bytes) -> Plan:
    """Split into 80 % training, 10 % validation and 10 % hidden test rows, each in random order.

    Rows with a missing value are all for training: dropping them is a step of the post, and a prediction is asked for
    every test row.
    """
    features = frame.drop(columns=[name for name in frame.columns if name in WITHHELD])
    left = find_giveaways(features, frame[TARGET])
    if left:
        raise DataError(
            f"{FILE}: expected test features that do not give {TARGET} away (R² up to {THRESHOLD}), found "
            + "; ".join(f"{formula}: R² {r2:.6f}" for formula, r2 in left.items())
        )
    random = generator(secret, "bitcoin", "split")
    complete = random.permutation(np.flatnonzero(frame.notna().all(axis=1).to_numpy()))
    test, validation = complete[:HIDDEN], complete[HIDDEN : 2 * HIDDEN]
    rest = np.setdiff1d(np.arange(len(frame)), complete[: 2 * HIDDEN])
    train = random.permutation(rest)
    targets = _prices(frame, train)
    baselines = constants(targets)

    def write(folder: Path, progress: Progress) -> None:
        write_table(folder / "train.csv", frame.iloc[train])
        write_table(folder / "validation.csv", frame.iloc[validation])
        write_table(folder / "test.csv", features.iloc[test])
        progress("writing tables", 3, 3)

    rows = {"train": len(train), "validation": len(validation), "test": len(test)}
    return Plan(_prices(frame, test), baselines, rows, baselines["mean"], write)


def _prices(frame: pd.DataFrame, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    return frame[TARGET].to_numpy(dtype=np.float64)[rows]


DATASET = Dataset(
    name="bitcoin",
    title="Bitcoin: network and market, day by day",
    source="Kaggle sudalairajkumar/cryptocurrencypricehistory",
    licence="CC0 1.0",
    version=1,
    # The newest version of the Kaggle dataset has other files: the one of February 2018 is asked for first.
    files=(
        RawFile(
            FILE,
            kaggle=(
                "sudalairajkumar/cryptocurrencypricehistory/versions/13",
                "sudalairajkumar/cryptocurrencypricehistory",
            ),
        ),
    ),
    read=read,
    make_stand_in=stand_in.make,
    plan=plan,
    target=TARGET,
    withheld=tuple(WITHHELD),
)
