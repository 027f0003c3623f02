"""A made-up table of characters: the same columns and gaps, fates that depend on a few of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

COLUMNS = (
    "S.No", "actual", "pred", "alive", "plod", "name", "title", "male", "culture", "dateOfBirth", "DateoFdeath",
    "mother", "father", "heir", "house", "spouse", "book1", "book2", "book3", "book4", "book5", "isAliveMother",
    "isAliveFather", "isAliveHeir", "isAliveSpouse", "isMarried", "isNoble", "age", "numDeadRelations",
    "boolDeadRelations", "isPopular", "popularity", "isAlive",
)  # fmt: skip

TEXTS = ("name", "title", "culture", "mother", "father", "heir", "house", "spouse")

ROWS = 1946
DEAD = 495
TITLES = ("Ser", "Lord", "Lady", "Maester", "Prince", "Princess", "Septon", "Khal")
CULTURES = (
    "Northmen", "northmen", "Ironborn", "ironborn", "Dornish", "Dornishmen", "Dorne", "Valyrian", "Free Folk",
    "free folk", "Wildling", "Braavosi", "Braavos", "Westerman", "westermen", "Reach", "The Reach", "Reachmen",
    "Vale", "Valemen", "Stormlands", "stormlander", "Dothraki", "Ghiscari", "Rivermen",
)  # fmt: skip


def make(random: np.random.Generator) -> pd.DataFrame:
    """Make 1,946 characters, 495 of them dead.

    Parameters
    ----------
    random : Generator
        Where everything comes from.

    Returns
    -------
    DataFrame, shape (1946, 33)
        The columns of the real table, in its order, with its gaps and two wrong ages.
    """
    books = (random.random((ROWS, 5)) < (0.2, 0.37, 0.48, 0.59, 0.39)).astype(int)
    male = (random.random(ROWS) < 0.62).astype(int)
    popularity = np.round(random.exponential(0.09, ROWS).clip(0, 1), 9)
    relations = np.where(popularity > 0.3, random.poisson(1.2, ROWS), 0)
    danger = 1.3 * male + 0.9 * books[:, 0] - 1.4 * books[:, 3] + 2 * popularity + 0.4 * relations
    dead = np.zeros(ROWS, dtype=bool)
    dead[np.argsort(-(danger + random.gumbel(0, 1, ROWS)))[:DEAD]] = True
    guess = np.round(np.clip(np.where(dead, 0.35, 0.75) + random.normal(0, 0.2, ROWS), 0, 1), 3)
    born = np.where(random.random(ROWS) < 0.22, random.integers(160, 300, ROWS), np.nan)
    death = np.where(dead & (random.random(ROWS) < 0.9), random.integers(298, 301, ROWS), np.nan)
    age = np.where(dead, np.nan_to_num(death, nan=300), 305) - born
    wrong = random.choice(np.flatnonzero(~np.isnan(age)), 2, replace=False)
    age[wrong] = (-277980, -298001)

    def sometimes(share: float, words: tuple[str, ...]) -> np.ndarray:
        chosen = np.array(words, dtype=object)[random.integers(0, len(words), ROWS)]
        chosen[random.random(ROWS) >= share] = None
        return chosen

    def relative(share: float) -> tuple[np.ndarray, np.ndarray]:
        names = sometimes(share, tuple(f"Relative {number}" for number in range(40)))
        return names, np.where(names == None, np.nan, random.integers(0, 2, ROWS))  # noqa: E711 - element by element

    (mother, m_alive), (father, f_alive), (heir, h_alive) = relative(0.011), relative(0.013), relative(0.012)
    spouse, s_alive = relative(0.14)
    made = {
        "S.No": np.arange(1, ROWS + 1), "actual": (~dead).astype(int), "pred": (guess > 0.5).astype(int),
        "alive": guess, "plod": np.round(1 - guess, 3), "name": [f"Character {number + 1}" for number in range(ROWS)],
        "title": sometimes(0.48, TITLES), "male": male, "culture": sometimes(0.35, CULTURES), "dateOfBirth": born,
        "DateoFdeath": death, "mother": mother, "father": father, "heir": heir,
        "house": sometimes(0.78, tuple(f"House {number}" for number in range(1, 120))), "spouse": spouse,
        **{f"book{number + 1}": books[:, number] for number in range(5)}, "isAliveMother": m_alive,
        "isAliveFather": f_alive, "isAliveHeir": h_alive, "isAliveSpouse": s_alive,
        "isMarried": (spouse != None).astype(int),  # noqa: E711 - element by element
        "isNoble": (random.random(ROWS) < 0.46).astype(int), "age": age, "numDeadRelations": relations,
        "boolDeadRelations": (relations > 0).astype(int), "isPopular": (popularity > 0.34).astype(int),
        "popularity": popularity, "isAlive": (~dead).astype(int),
    }  # fmt: skip
    return pd.DataFrame(made, columns=list(COLUMNS))
