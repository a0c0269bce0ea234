"""KISSME and XQDA as their papers state them, pair by pair, in numpy. Prints the cases that
tests/models/metric_learning_test.cc compares with:

    /usr/bin/python3 tests/models/metric_learning_reference.py > tests/models/metric_learning_reference.json
"""
import json

import numpy


def mean_outer_product(differences):
    return sum(numpy.outer(row, row) for row in differences) / len(differences)


def quadratic_form(matrix, queries, gallery):
    """(q - g)^T matrix (q - g) for every q and g."""
    return [[float((query - row) @ matrix @ (query - row)) for row in gallery]
            for query in queries]


def kissme(vectors, same, different, dimensions):
    """The matrix of the distance, [features, features]."""
    values, directions = numpy.linalg.eigh(numpy.cov(vectors, rowvar=False))
    projection = directions[:, numpy.argsort(-values)[:dimensions]]
    reduced = vectors @ projection
    of_one, of_two = (mean_outer_product([reduced[i] - reduced[j] for i, j in pairs])
                      for pairs in (same, different))
    matrix = numpy.linalg.inv(of_one) - numpy.linalg.inv(of_two)
    values, directions = numpy.linalg.eigh(matrix)
    values[values <= 1e-10] = 1e-6
    return projection @ directions @ numpy.diag(values) @ directions.T @ projection.T


def xqda(first, second, regularisation, dimensions):
    """Views of (vector, identity, camera); always in the space of the features."""
    within, between = [], []
    for x, identity, camera in first:
        for z, other_identity, other_camera in second:
            if camera != other_camera or camera is None:
                (within if identity == other_identity else between).append(x - z)
    within = mean_outer_product(within)
    within = within + regularisation * numpy.eye(len(within))
    between = mean_outer_product(between)
    left, singular, _ = numpy.linalg.svd(numpy.linalg.inv(within) @ between)
    chosen = left[:, :dimensions or max(1, int((singular > 1).sum()))]
    matrix = (numpy.linalg.inv(chosen.T @ within @ chosen)
              - numpy.linalg.inv(chosen.T @ between @ chosen))
    return chosen @ matrix @ chosen.T, chosen.shape[1]


def world(seed, persons, tracklets, features):
    """Vectors of persons with noise that has directions of its own; rounded, so that the file
    holds them exactly."""
    random = numpy.random.default_rng(seed)
    identity = numpy.repeat(numpy.arange(persons), tracklets)
    camera = numpy.arange(persons * tracklets) % 3
    mixing = random.normal(size=(features, features)) / numpy.sqrt(features)
    persons_own = random.normal(size=(persons, features))
    noise = random.normal(size=(len(identity), features)) @ mixing
    return numpy.round(persons_own[identity] + 0.5 * noise + 3, 4), identity, camera


def case_of(name, vectors, identity, camera, **more):
    random = numpy.random.default_rng(5)
    features = vectors.shape[1]
    return {"name": name, "vectors": vectors.tolist(), "identity": identity.tolist(),
            "camera": camera.tolist(),
            "queries": numpy.round(random.normal(size=(3, features)), 4).tolist(),
            "gallery": numpy.round(random.normal(size=(4, features)), 4).tolist(), **more}


def with_distances(case, matrix):
    case["distances"] = quadratic_form(matrix, numpy.array(case["queries"]),
                                       numpy.array(case["gallery"]))
    return case


def kissme_case(name, seed, persons, tracklets, features, dimensions):
    vectors, identity, camera = world(seed, persons, tracklets, features)
    rows = range(len(identity))
    pairs = [[i, j] for i in rows for j in rows if i < j and camera[i] != camera[j]]
    same = [pair for pair in pairs if identity[pair[0]] == identity[pair[1]]]
    different = [pair for pair in pairs if identity[pair[0]] != identity[pair[1]]][::3]
    case = case_of(name, vectors, identity, camera, same=same, different=different,
                   dimensions=dimensions)
    return with_distances(case, kissme(vectors, same, different, dimensions))


def xqda_case(name, seed, persons, tracklets, features, dimensions=0, cameras=True,
              regularisation=0.001):
    vectors, identity, camera = world(seed, persons, tracklets, features)
    case = case_of(name, vectors, identity, camera if cameras else numpy.array([], int),
                   dimensions=dimensions, regularisation=regularisation,
                   first=list(range(0, len(identity), 2)), second=list(range(1, len(identity), 2)))
    views = [[(vectors[i], identity[i], camera[i] if cameras else None) for i in case[view]]
             for view in ("first", "second")]
    matrix, case["kept"] = xqda(*views, regularisation, dimensions)
    return with_distances(case, matrix)


def cases():
    return {
        "kissme": [kissme_case("all components", 1, 8, 5, 6, 6),
                   kissme_case("fewer components", 2, 8, 5, 10, 4)],
        "xqda": [xqda_case("automatic", 3, 8, 5, 6),
                 xqda_case("two dimensions", 4, 8, 5, 6, dimensions=2),
                 xqda_case("without cameras", 5, 8, 5, 6, cameras=False),
                 xqda_case("more features than samples", 6, 5, 4, 30, regularisation=0.1)],
    }


if __name__ == "__main__":
    print(json.dumps(cases()))
