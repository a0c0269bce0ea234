#!/usr/bin/env python3
"""Rank-1 of a descriptor that learns nothing, on a rendered PRID 2011 or iLIDS-VID folder.

The descriptor of a tracklet is the mean colour of six horizontal stripes, averaged over all frames;
tracklets are compared by Euclidean distance. A world in which this does well proves nothing about a
trained network, so the synthetic worlds are built to keep it under 50 %.

    stripe_features.py WORLD_FOLDER [--splits 10]

Each split draws half of the people who appear in both cameras; camera 1 asks, camera 2 answers.
"Centred" takes off each camera's mean descriptor of the other half first: a constant difference
between the cameras is the cheapest thing to learn, and the plain figure suffers from it.
"""
import argparse
import json
import pathlib
import random

import cv2
import numpy

STRIPES = 6


def camera_folders(world):
    """The two cameras' folders of either layout."""
    for first, second in (("multi_shot/cam_a", "multi_shot/cam_b"),
                          ("sequences/cam1", "sequences/cam2")):
        if (world / first).is_dir() and (world / second).is_dir():
            return world / first, world / second
    raise SystemExit(f"{world}: has neither multi_shot/cam_a nor sequences/cam1")


def stripe_descriptor(tracklet_folder):
    """Six stripes by three colours, 0 to 255, of all frames in the folder."""
    total, frames = numpy.zeros((STRIPES, 3)), sorted(tracklet_folder.glob("*.png"))
    for path in frames:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise SystemExit(f"{path}: cannot be read as a picture")
        total += [stripe.mean(axis=(0, 1)) for stripe in numpy.array_split(picture, STRIPES)]
    return (total / len(frames)).ravel()


def common_people(world, camera_1, camera_2):
    """Sorted folder names of the people in both cameras."""
    shared = sorted({p.name for p in camera_1.iterdir()} & {p.name for p in camera_2.iterdir()})
    note = json.loads((world / "muster-synthetic.json").read_text())
    # PRID numbers go on above the common people, for others in each camera.
    return shared[:note["identities"]]


def rank_1(probes, gallery):
    """Share of probes whose nearest gallery row is their own, ratio."""
    distances = numpy.linalg.norm(probes[:, None] - gallery[None], axis=2)
    return float(numpy.mean(distances.argmin(axis=1) == numpy.arange(len(probes))))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", type=pathlib.Path)
    parser.add_argument("--splits", type=int, default=10)
    options = parser.parse_args()
    camera_1, camera_2 = camera_folders(options.world)
    people = common_people(options.world, camera_1, camera_2)
    probes = numpy.array([stripe_descriptor(camera_1 / name) for name in people])
    gallery = numpy.array([stripe_descriptor(camera_2 / name) for name in people])
    plain, centred = [], []
    for split in range(options.splits):
        order = list(range(len(people)))
        random.Random(split).shuffle(order)
        held_out, others = order[:len(people) // 2], order[len(people) // 2:]
        plain.append(rank_1(probes[held_out], gallery[held_out]))
        centred.append(rank_1(probes[held_out] - probes[others].mean(axis=0),
                              gallery[held_out] - gallery[others].mean(axis=0)))
    print(f"{len(people) // 2} of {len(people)} people held out, {options.splits} splits")
    for name, results in (("plain", plain), ("centred", centred)):
        print(f"stripes {name} rank-1 {100 * numpy.mean(results):.1f} % "
              f"(lowest {100 * min(results):.1f}, highest {100 * max(results):.1f})")


if __name__ == "__main__":
    main()
