"""The baseline: logistic regression on the TF-IDF values of a document's words, whatever their order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.stores.documents import Documents
from anamnesis.data.tokenizers.words import SPECIAL
from anamnesis.tasks.classification.settings import TfIdf

Weights = dict[str, NDArray[Any]]
# The solver converges long before.
ITERATIONS = 2000


def shapes(vocabulary: int, labels: int) -> dict[str, tuple[int, ...]]:
    """The shapes of the model's arrays by name."""
    return {"idf": (vocabulary,), "coefficients": (labels, vocabulary), "intercepts": (labels,)}


def fit(documents: Documents, settings: TfIdf, vocabulary: int) -> tuple[Weights, int]:
    """Multinomial logistic regression with an L2 penalty on TF-IDF vectors of unit length, by scikit-learn.

    Returns:
        Arrays of the `shapes`, float32, and the number of iterations of the solver.
    """
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    ids = np.asarray(documents.ids, np.int64)
    known = (ids >= len(SPECIAL)).astype(float)
    # SciPy sorts the arrays in place, and those of the store are read-only.
    counts = csr_array((known, ids, documents.offsets), shape=(len(documents), vocabulary), copy=True)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    with threadpool_limits(1):
        transformer = TfidfTransformer(sublinear_tf=settings.sublinear)
        vectors = transformer.fit_transform(counts)
        model = LogisticRegression(C=settings.strength, max_iter=ITERATIONS)
        model.fit(vectors, np.asarray(documents.labels))
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        # For two labels scikit-learn fits one logit z: the softmax of (0, z) is the sigmoid of z.
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercepts = np.append(0.0, intercepts)
    weights = {"idf": transformer.idf_, "coefficients": coefficients, "intercepts": intercepts}
    return {name: value.astype(np.float32) for name, value in weights.items()}, int(model.n_iter_.max())


def probabilities(weights: Weights, settings: TfIdf, documents: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """The probability of each label (documents, labels).

    Args:
        documents: word ids of each document (tokens,).
    """
    from scipy.special import softmax

    logits = np.empty((len(documents), len(weights["intercepts"])))
    for row, ids in enumerate(documents):
        words, counts = np.unique(np.asarray(ids)[np.asarray(ids) >= len(SPECIAL)], return_counts=True)
        vector = (1 + np.log(counts) if settings.sublinear else counts) * weights["idf"][words]
        # A document without any known word is a vector of zeros.
        vector /= np.linalg.norm(vector) or 1.0
        logits[row] = weights["coefficients"][:, words] @ vector + weights["intercepts"]
    result: NDArray[np.float32] = softmax(logits, axis=1).astype(np.float32)
    return result
