"""The floor: which words a document has, and how telling they are, in any order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.stores.documents import Documents
from anamnesis.data.tokenizers.words import SPECIAL
from anamnesis.tasks.classification.settings import TfIdf

Weights = dict[str, NDArray[Any]]
# Far more than it takes to converge: then, the result does not depend on it.
ITERATIONS = 2000


def shapes(vocabulary: int, labels: int) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays of such a model by name."""
    return {"idf": (vocabulary,), "coefficients": (labels, vocabulary), "intercepts": (labels,)}


def fit(documents: Documents, settings: TfIdf, vocabulary: int) -> tuple[Weights, int]:
    """Multinomial logistic regression with an L2 penalty on TF-IDF vectors of unit length, by scikit-learn.

    Returns:
        Arrays as `shapes` has them, float32, and how many iterations the solver took.
    """
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    ids = np.asarray(documents.ids, np.int64)
    known = (ids >= len(SPECIAL)).astype(float)
    # A copy, because it is put in order in place.
    counts = csr_array((known, ids, documents.offsets), shape=(len(documents), vocabulary), copy=True)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    with threadpool_limits(1):
        weigh = TfidfTransformer(sublinear_tf=settings.sublinear)
        vectors = weigh.fit_transform(counts)
        model = LogisticRegression(C=settings.strength, max_iter=ITERATIONS)
        model.fit(vectors, np.asarray(documents.labels))
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        # Of two labels scikit-learn keeps the difference only: the softmax of (0, z) is the sigmoid of z.
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercepts = np.append(0.0, intercepts)
    found = {"idf": weigh.idf_, "coefficients": coefficients, "intercepts": intercepts}
    return {name: value.astype(np.float32) for name, value in found.items()}, int(model.n_iter_.max())


def probabilities(weights: Weights, settings: TfIdf, documents: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """The probability of each label, (documents, labels), of documents given as ids, each (its tokens,)."""
    logits = np.empty((len(documents), len(weights["intercepts"])))
    for row, ids in enumerate(documents):
        words, counts = np.unique(np.asarray(ids)[np.asarray(ids) >= len(SPECIAL)], return_counts=True)
        vector = (1 + np.log(counts) if settings.sublinear else counts) * weights["idf"][words]
        # One without any known word is a vector of zeros, which has no direction.
        vector /= np.linalg.norm(vector) or 1.0
        logits[row] = weights["coefficients"][:, words] @ vector + weights["intercepts"]
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)
