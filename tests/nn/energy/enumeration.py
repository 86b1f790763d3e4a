"""Exact quantities of tiny RBMs, by enumerating every state."""

import itertools

import numpy as np


def states(n):
    """All 0/1 vectors of length n, as rows."""
    return np.array(list(itertools.product((0.0, 1.0), repeat=n)))


def log_probabilities(w, b, a):
    """log p(v) of every visible state, in the order of `states`."""
    v, h = states(len(b)), states(len(a))
    energy = v @ w.T @ h.T + (v @ b)[:, None] + h @ a  # minus E, (2^D, 2^F)
    joint = np.logaddexp.reduce(energy, axis=1)
    return joint - np.logaddexp.reduce(joint)


def mean_log_likelihood(w, b, a, target):
    """Mean of log p(v) under target probabilities of the states."""
    return float(target @ log_probabilities(w, b, a))


def gradient(w, b, a, target):
    """Exact gradient (dw, db, da) of the mean log-likelihood."""
    v = states(len(b))
    p_h = 1.0 / (1.0 + np.exp(-(v @ w.T + a)))
    weight = target - np.exp(log_probabilities(w, b, a))
    return (p_h * weight[:, None]).T @ v, weight @ v, weight @ p_h


def cd1_expectation(w, b, a, data):
    """Expected statistics of CD-1 from the rows of data, averaged over them."""
    v, h = states(len(b)), states(len(a))
    p_h = 1.0 / (1.0 + np.exp(-(data @ w.T + a)))
    from_data = np.prod(np.where(h[None] > 0, p_h[:, None], 1 - p_h[:, None]), axis=2)
    p_v = 1.0 / (1.0 + np.exp(-(h @ w + b)))
    down = np.prod(np.where(v[None] > 0, p_v[:, None], 1 - p_v[:, None]), axis=2)
    p = (from_data @ down).mean(axis=0)  # of every visible state after one sweep
    h_model = 1.0 / (1.0 + np.exp(-(v @ w.T + a)))
    return (
        p_h.T @ data / len(data) - (h_model * p[:, None]).T @ v,
        data.mean(axis=0) - p @ v,
        p_h.mean(axis=0) - p @ h_model,
    )
