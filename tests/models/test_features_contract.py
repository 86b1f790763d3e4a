"""The contract of scikit-learn, kept by coders of rows and, as far as it goes, of images."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from layerwise import (
    ZCA,
    ContrastNormalizer,
    ImageFeatures,
    PatchExtractor,
    SoftThresholdCoder,
    SpatialPyramid,
    VectorQuantizer,
)

# The last three take arrays of three or four dimensions, and say so in their tags: scikit-learn
# then checks what does not need a matrix.
ESTIMATORS = [
    ContrastNormalizer(),
    ZCA(),
    VectorQuantizer(4),
    VectorQuantizer(4, encoding="hard", init="random"),
    VectorQuantizer(4, encoding="soft"),
    SoftThresholdCoder(VectorQuantizer(4, random_state=0)),
    PatchExtractor(),
    SpatialPyramid(),
    ImageFeatures(),
]


@parametrize_with_checks(ESTIMATORS)
def test_estimators_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS[-3:], ids=lambda each: type(each).__name__)
def test_estimators_of_images_say_what_they_take_and_keep_their_parameters(estimator):
    tags = estimator.__sklearn_tags__()
    assert not tags.input_tags.two_d_array
    twin = clone(estimator)
    assert twin.get_params() == estimator.get_params()
    for name, value in estimator.get_params(deep=False).items():
        assert getattr(twin.set_params(**{name: value}), name) is value
    with pytest.raises(ValueError, match=f"^{type(estimator).__name__}: X must have shape"):
        twin.fit(np.ones((4, 4)))


def test_columns_keep_or_get_names(rng):
    frame = pd.DataFrame(rng.normal(size=(20, 3)), columns=["a", "b", "c"])
    for estimator in (ContrastNormalizer(), ZCA()):
        out = estimator.set_output(transform="pandas").fit_transform(frame)
        assert out.columns.tolist() == ["a", "b", "c"]
    vq = VectorQuantizer(2, random_state=0).set_output(transform="pandas").fit(frame)
    assert vq.transform(frame).columns.tolist() == ["vectorquantizer0", "vectorquantizer1"]
