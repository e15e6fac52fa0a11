"""Seeded streams of random numbers: one for each subject of each chunk of people."""

import zlib

import numpy as np


def stream(seed: int, subject: str, chunk: int = 0) -> np.random.Generator:
    """A generator of its own, so that more of one subject changes nothing of the others.

    It depends on nothing else: neither on the order in which chunks are made nor on who makes them.
    """
    entropy = [seed, zlib.crc32(subject.encode()), chunk]
    return np.random.default_rng(np.random.SeedSequence(entropy))


def chosen(random: np.random.Generator, count: int, share: float) -> np.ndarray:
    """Which of `count` are among a random share of them."""
    return random.random(count) < share


def drawn(random: np.random.Generator, weights: np.ndarray, count: int) -> np.ndarray:
    """`count` places, drawn by weight."""
    cumulative = np.cumsum(weights) / np.sum(weights)
    return np.searchsorted(cumulative, random.random(count), side="right").clip(0, len(weights) - 1)
