"""How a kit reads the public data of each form; afterwards there are ``train_x``, ``train_y``, and so on."""

from __future__ import annotations

from datauab.competition import Competition

MOST_IMAGES = 5000
"""Images that the kit's model learns from, so that it takes seconds."""

MOST_FILES = 2000
"""Image files that the kit reads of each labelled part: opening them is most of its time."""

SIDE = 16
"""Images of the kit's model are made this small, in pixels."""

_SAMPLE = 'sample = pd.read_csv(DATA / "sample_submission.csv", dtype={"id": str})'


def code(competition: Competition, form: str, *, has_validation: bool) -> str:
    """Code that reads public data of `form`."""
    if form == "tables":
        return _tables(competition, has_validation)
    return _arrays(has_validation) if form == "arrays" else _folders(competition, has_validation)


def _tables(competition: Competition, has_validation: bool) -> str:
    data = competition.data
    left_out = [name for name in (data.id, data.group) if name] if data else []
    unless = f" and name not in {left_out!r}" if left_out else ""
    if has_validation:
        second = 'validation = pd.read_csv(DATA / "validation.csv")'
    else:
        stratify = "" if competition.predictions.kind == "real" else ", stratify=train[TARGET]"
        second = f"train, validation = train_test_split(train, test_size=0.2, random_state=0{stratify})"
    return (
        'train = pd.read_csv(DATA / "train.csv")\n'
        f"{second}\n"
        'test = pd.read_csv(DATA / "test.csv")\n'
        f"{_SAMPLE}\n\n"
        "# Only what the test rows have as well can help to predict them.\n"
        f"features = [name for name in test.columns if name in train.columns{unless}]\n"
        'numbers = list(train[features].select_dtypes(["number", "bool"]).columns)\n'
        "words = [name for name in features if name not in numbers]\n"
        "train_x, train_y = train[features], train[TARGET]\n"
        "validation_x, validation_y = validation[features], validation[TARGET]\n"
        "test_x = test[features]\n"
        'print(f"{len(train)} rows to learn from, {len(test)} to predict, {len(features)} features")'
    )


def _arrays(has_validation: bool) -> str:
    return (
        f"MOST = {MOST_IMAGES}  # images to learn from; take more once everything works\n\n\n"
        "def flat(images):\n"
        '    """One row of numbers between 0 and 1 for each image; large images lose pixels."""\n'
        "    step = max(1, images.shape[1] // 28)\n"
        "    return images[:, ::step, ::step].reshape(len(images), -1) / 255.0\n\n\n"
        + (
            'train_x = flat(np.load(DATA / "train_images.npy")[:MOST])\n'
            'train_y = np.load(DATA / "train_labels.npy")[:MOST]\n'
            'validation_x = flat(np.load(DATA / "validation_images.npy"))\n'
            'validation_y = np.load(DATA / "validation_labels.npy")\n'
            if has_validation
            else 'known_x = flat(np.load(DATA / "train_images.npy")[:MOST])\n'
            'known_y = np.load(DATA / "train_labels.npy")[:MOST]\n'
            "cut = len(known_x) * 4 // 5\n"
            "train_x, train_y = known_x[:cut], known_y[:cut]\n"
            "validation_x, validation_y = known_x[cut:], known_y[cut:]\n"
        )
        + 'test_x = flat(np.load(DATA / "test_images.npy"))\n'
        f"{_SAMPLE}\n"
        'print(f"{len(train_x)} images to learn from, {len(test_x)} to predict")'
    )


def _folders(competition: Competition, has_validation: bool) -> str:
    second = (
        'validation_x, validation_y = labelled(DATA / "validation")\n'
        if has_validation
        else "held = np.arange(len(train_x)) % 5 == 0\n"
        "validation_x, validation_y = train_x[held], train_y[held]\n"
        "train_x, train_y = train_x[~held], train_y[~held]\n"
    )
    return (
        f"SIDE = {SIDE}  # pixels; larger images tell more and take longer\n"
        f"MOST = {MOST_FILES}  # images to read of each part; take all once everything works\n\n\n"
        "def read(path):\n"
        '    """The colours of a small copy of the image, between 0 and 1, in one row."""\n'
        "    with Image.open(path) as image:\n"
        '        image.draft("RGB", (SIDE * 4, SIDE * 4))  # a JPEG is decoded small at once\n'
        '        small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)\n'
        "    return np.asarray(small, dtype=float).ravel() / 255\n\n\n"
        "def labelled(folder):\n"
        '    """Images and classes of a folder that has one folder for each class."""\n'
        "    names = sorted(path.name for path in folder.iterdir() if path.is_dir())\n"
        '    paths = sorted(path for path in folder.glob("*/*") if path.is_file())\n'
        "    paths = paths[:: -(-len(paths) // MOST)]\n"
        "    classes = [CLASSES[names.index(path.parent.name)] for path in paths]\n"
        "    return np.stack([read(path) for path in paths]), np.array(classes)\n\n\n"
        'train_x, train_y = labelled(DATA / "train")\n'
        f"{second}"
        'test_x = np.stack([read(path) for path in sorted((DATA / "test").glob("*/*")) if path.is_file()])\n'
        f"{_SAMPLE}\n"
        'print(f"{len(train_x)} images to learn from, {len(test_x)} to predict")'
    )
