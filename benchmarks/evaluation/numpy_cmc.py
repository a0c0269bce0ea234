"""CMC and mAP in numpy: numpy_cmc.py FILE scores a feature file as MARS's authors do and prints JSON."""
import json
import statistics
import sys
import time

import h5py
import numpy

QUERY, JUNK = 1, 8
ROUNDS = 3


def score(features, identity, camera, role):
    queries = numpy.flatnonzero(role & QUERY)
    # Squares and a product: what a fast version does, though it loses small distances.
    squares = numpy.einsum("ij,ij->i", features, features)
    distances = features[queries] @ features.T
    distances *= -2
    distances += squares[queries, None]
    distances += squares
    numpy.maximum(distances, 0, out=distances)
    numpy.sqrt(distances, out=distances)
    same_person = identity[queries, None] == identity
    ignored = same_person & (camera[queries, None] == camera) | ((role & JUNK) != 0)
    distances[ignored] = numpy.inf
    order = numpy.argsort(distances, axis=1)
    matches = numpy.take_along_axis(same_person & ~ignored, order, axis=1)
    found = numpy.cumsum(matches, axis=1)
    rank = numpy.arange(1, matches.shape[1] + 1)
    before = numpy.where(rank > 1, (found - matches) / numpy.maximum(rank - 1, 1), 1)
    precision = ((found / rank + before) / 2 * matches).sum(axis=1) / found[:, -1].clip(1)
    return {"map": precision.mean(), "rank_1": float(matches[:, 0].mean())}


def main():
    with h5py.File(sys.argv[1]) as file:
        table = [file[name][:] for name in ("features", "identity", "camera", "role")]
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        result = score(*table)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({**result, "seconds": statistics.median(seconds)}))


main()
