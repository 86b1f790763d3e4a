"""Options of `layerwise train` are the parameters of the estimators: none is written twice."""

import argparse
import inspect

import pytest

from layerwise import DBN, RBM, DBNClassifier
from layerwise.commands._options import add_options, given_options

ESTIMATORS = [RBM, DBN, DBNClassifier]


def parse(estimator, *words, **given):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser, estimator, **given)
    return given_options(parser.parse_args(words), estimator, **given)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_parameter_that_words_can_say_has_an_option_with_help(estimator):
    parser = argparse.ArgumentParser()
    add_options(parser, estimator)
    found = {action.dest: action for action in parser._actions if action.dest != "help"}
    parameters = inspect.signature(estimator).parameters
    assert found.keys() == parameters.keys() - {"callbacks"}
    for name, action in found.items():
        assert len(action.help) > len(" (default: )") + 3, name
        assert action.option_strings[0] == f"--{name}".replace("_", "-")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_what_is_not_given_keeps_the_default_of_the_estimator(estimator):
    assert parse(estimator) == {}
    assert estimator(**parse(estimator, "--n-iter", "3")).n_iter == 3


@pytest.mark.parametrize(
    ("estimator", "words", "expected"),
    [
        (RBM, ["--n-components", "7"], {"n_components": 7}),
        (RBM, ["--learning-rate", "1e-3"], {"learning_rate": 1e-3}),
        (RBM, ["--learning", "pcd"], {"learning": "pcd"}),
        (RBM, ["--no-shuffle"], {"shuffle": False}),
        (RBM, ["--final-momentum", "none"], {"final_momentum": None}),
        (DBN, ["--n-components", "7"], {"n_components": 7}),
        (DBN, ["--n-components", "7,5"], {"n_components": (7, 5)}),
        (DBN, ["--n-components", "7,"], {"n_components": (7,)}),
        (DBN, ["--learning", "cd,pcd"], {"learning": ("cd", "pcd")}),
        (DBN, ["--learning-rate", "0.1,1"], {"learning_rate": (0.1, 1.0)}),
        (DBNClassifier, ["--no-pretrain"], {"pretrain": False}),
    ],
)
def test_words_become_values_of_the_right_type(estimator, words, expected):
    found = parse(estimator, *words)
    assert found == expected
    assert [type(value) for value in found.values()] == [type(v) for v in expected.values()]


def test_a_prefix_keeps_two_estimators_apart():
    parser = argparse.ArgumentParser()
    add_options(parser, DBNClassifier)
    add_options(parser, DBN, prefix="pretraining_", without=("verbose",))
    arguments = parser.parse_args(["--n-iter", "1", "--pretraining-n-iter", "2"])
    assert given_options(arguments, DBNClassifier) == {"n_iter": 1}
    assert given_options(arguments, DBN, prefix="pretraining_") == {"n_iter": 2}
    with pytest.raises(SystemExit):
        parser.parse_args(["--pretraining-verbose", "1"])


@pytest.mark.parametrize(
    ("estimator", "words", "message"),
    [
        (RBM, ["--n-components", "1.5"], "an integer is required; got '1.5'"),
        (RBM, ["--n-components", "1,2"], "an integer is required; got '1,2'"),
        (RBM, ["--learning-rate", "fast"], "a number is required; got 'fast'"),
        (RBM, ["--final-momentum", "x"], "a number or none is required; got 'x'"),
        (DBN, ["--n-iter", "x"], "an integer, or several with commas between them, is required"),
        (DBN, ["--n-iter", "1,x"], "an integer is required; got 'x'"),
    ],
)
def test_other_words_are_refused_with_what_is_required(estimator, words, message):
    with pytest.raises(argparse.ArgumentError) as caught:
        parse(estimator, *words)
    assert message in str(caught.value)
