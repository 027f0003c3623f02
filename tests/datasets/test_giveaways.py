"""The search for columns that give a target away finds them, and the bitcoin features have none left."""

from __future__ import annotations

import numpy as np
import pandas as pd

from datauab.datasets import bitcoin
from datauab.datasets.giveaways import find_giveaways


def test_products_and_ratios_are_found_and_noise_is_not():
    random = np.random.default_rng(0)
    a, b, c, noise = random.lognormal(size=(4, 500))
    target = pd.Series(a * 3 + 1)
    frame = pd.DataFrame({"ratio of": a * b, "by": b, "of three": a * c * b, "third": c, "noise": noise})
    assert set(find_giveaways(frame, target)) == {"ratio of / by"}
    assert set(find_giveaways(frame, target, most=3)) == {"ratio of / by", "of three / by / third"}
    assert list(find_giveaways(pd.DataFrame({"copy": 7 - a}), target)) == ["copy"]


def test_a_column_that_is_constant_or_mostly_undefined_gives_nothing_away():
    frame = pd.DataFrame({"constant": np.ones(100), "gaps": np.where(np.arange(100) < 50, np.nan, np.arange(100.0))})
    assert find_giveaways(frame, pd.Series(np.arange(100.0))) == {}


def test_real_bitcoin_features_give_the_price_away_only_with_what_is_withheld(raw):
    frame = bitcoin.read({bitcoin.FILE: raw / "bitcoin" / bitcoin.FILE})
    prices = frame[bitcoin.TARGET]
    everything = frame.drop(columns=["Date", bitcoin.TARGET])
    assert set(find_giveaways(everything, prices)) == {
        "btc_market_cap",
        "btc_market_cap / btc_total_bitcoins",
        "btc_estimated_transaction_volume_usd / btc_estimated_transaction_volume",
    }
    public = everything.drop(columns=[name for name in everything if name in bitcoin.WITHHELD])
    assert find_giveaways(public, prices, most=3) == {}


def test_the_reasons_of_the_withheld_columns_hold_on_the_real_data(raw):
    frame = bitcoin.read({bitcoin.FILE: raw / "bitcoin" / bitcoin.FILE})
    price = frame[bitcoin.TARGET]

    def r2(values):
        known = np.isfinite(values)
        return np.corrcoef(values[known], price[known])[0, 1] ** 2

    revenue = frame["btc_miners_revenue"]
    assert (
        r2(100 * revenue / frame["btc_cost_per_transaction_percent"] / frame["btc_estimated_transaction_volume"])
        > 0.9999
    )
    # What a block brings its miner was halved on these days (the bitcoin protocol: every 210,000 blocks).
    reward = np.select([frame["Date"] < "2012-11-28", frame["Date"] < "2016-07-09"], [50, 25], 12.5)
    blocks = frame["btc_n_transactions"] / frame["btc_n_transactions_per_block"]
    assert r2(revenue / (blocks * reward + frame["btc_transaction_fees"])) > 0.999
    again = frame["btc_cost_per_transaction"] * frame["btc_n_transactions"]
    assert np.corrcoef(again, revenue)[0, 1] ** 2 > 0.999
    for name in ("btc_total_bitcoins", "btc_blocks_size", "btc_n_transactions_total"):
        assert (frame[name].diff().dropna() >= 0).all()
    assert frame["btc_difficulty"].nunique() < len(frame) / 10
