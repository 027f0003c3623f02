"""A made-up bitcoin table: growth, noise and the same columns, days and gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd

COLUMNS = (
    "Date", "btc_market_price", "btc_total_bitcoins", "btc_market_cap", "btc_trade_volume", "btc_blocks_size",
    "btc_avg_block_size", "btc_n_orphaned_blocks", "btc_n_transactions_per_block", "btc_median_confirmation_time",
    "btc_hash_rate", "btc_difficulty", "btc_miners_revenue", "btc_transaction_fees",
    "btc_cost_per_transaction_percent", "btc_cost_per_transaction", "btc_n_unique_addresses", "btc_n_transactions",
    "btc_n_transactions_total", "btc_n_transactions_excluding_popular",
    "btc_n_transactions_excluding_chains_longer_than_100", "btc_output_volume", "btc_estimated_transaction_volume",
    "btc_estimated_transaction_volume_usd",
)  # fmt: skip

DAYS = 2920
GAPS = 21


def make(random: np.random.Generator) -> pd.DataFrame:
    """Make 2,920 days: prices that wander upwards, and quantities that follow them loosely.

    Parameters
    ----------
    random : Generator
        Where the noise comes from.

    Returns
    -------
    DataFrame, shape (2920, 24)
        The columns of the real table, in its order; 21 values of ``btc_trade_volume`` are missing.
    """
    time = np.linspace(0, 1, DAYS)

    def loose(spread: float) -> np.ndarray:
        return np.exp(random.normal(0, spread, DAYS))

    price = 0.05 * np.exp(12 * time**0.8 + np.cumsum(random.normal(0, 0.03, DAYS)))
    coins = 2e6 + 15e6 * time**0.7
    transactions = np.round(300 * np.exp(6.5 * time**0.7) * loose(0.25))
    blocks = random.poisson(150, DAYS)
    volume = 1e5 * np.exp(1.2 * time) * loose(0.5)
    fees = 5 + transactions / 2000 * loose(0.5)
    rate = np.exp(23 * time**0.8 - 8) * loose(0.15)
    revenue = (blocks * np.where(time < 0.35, 50, np.where(time < 0.8, 25, 12.5)) + fees) * price
    size = 0.005 + transactions / 3.5e5 * loose(0.05)
    made = {
        "Date": pd.date_range("2010-02-23", periods=DAYS).strftime("%Y-%m-%d %H:%M:%S"),
        "btc_market_price": price,
        "btc_total_bitcoins": coins,
        "btc_market_cap": coins * price,
        "btc_trade_volume": np.where(time < 0.06, 0.0, volume * price * loose(0.9) * 0.2),
        "btc_blocks_size": np.cumsum(size * blocks),
        "btc_avg_block_size": size,
        "btc_n_orphaned_blocks": random.poisson(0.4, DAYS),
        "btc_n_transactions_per_block": np.round(transactions / blocks),
        "btc_median_confirmation_time": np.where(time < 0.2, 0.0, 8 * loose(0.2)),
        "btc_hash_rate": rate,
        "btc_difficulty": np.repeat(rate[::14], 14)[:DAYS] * 1.4e5,
        "btc_miners_revenue": revenue,
        "btc_transaction_fees": fees,
        "btc_cost_per_transaction_percent": 100 * revenue / (volume * price),
        "btc_cost_per_transaction": revenue / transactions,
        "btc_n_unique_addresses": np.round(transactions * 1.6 * loose(0.1)),
        "btc_n_transactions": transactions,
        "btc_n_transactions_total": np.cumsum(transactions),
        "btc_n_transactions_excluding_popular": np.round(transactions * 0.93 * loose(0.03)),
        "btc_n_transactions_excluding_chains_longer_than_100": np.round(transactions * 0.7 * loose(0.08)),
        "btc_output_volume": volume * 6 * loose(0.4),
        "btc_estimated_transaction_volume": volume,
        "btc_estimated_transaction_volume_usd": volume * price,
    }
    frame = pd.DataFrame(made, columns=list(COLUMNS))
    frame.loc[random.choice(np.arange(300, DAYS), GAPS, replace=False), "btc_trade_volume"] = np.nan
    return frame
