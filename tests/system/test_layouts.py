"""Every layout from its files to a score: the counts that its protocol gives."""
import csv
import json
import unittest

import h5py
import numpy

from support import TemporaryDirectoryTest, muster, muster_json, progress_of

SPEC = """
    name: "layouts"
    data { train: "world" test: "world" PROTOCOL }
    model { stsrn { width: 0.25 features: 16 } }
    training {
      steps: 2
      batch { identities: 2 clips: 2 frames: 4 }
      loss { identity {} video_triplet {} }
      optimizer { sgd {} learning_rate: 0.01 }
    }
"""


class LayoutTest(TemporaryDirectoryTest):
    def make_store(self, world, *options):
        muster("synth", "--world", world, "--out", self.directory / world, *options)
        self.store = self.directory / f"{world}-store"
        return muster_json("ingest", "--layout", world, "--input", self.directory / world,
                           "--store", self.store, "--frame-size", "64x32", "--flow-size", "32x16")

    def train_extract(self, protocol=""):
        spec = self.directory / "spec.textproto"
        spec.write_text(SPEC.replace("PROTOCOL", f'protocol: "{protocol}"' if protocol else ""))
        run = self.directory / f"run-{protocol}"
        muster("train", "--spec", spec, "--store", f"world={self.store}", "--run", run)
        self.assertEqual(len(progress_of(run)), 2)
        features = self.directory / f"features-{protocol}.h5"
        muster("extract", "--run", run, "--store", f"world={self.store}", "--role",
               "probe,gallery,train", "--features", features)
        return features

    def roles(self, features):
        with h5py.File(features, "r") as file:
            return file["role"][:], file["identity"][:], file["camera"][:]

    def test_mars_is_scored_both_ways_from_one_extraction(self):
        self.make_store("mars", "--identities", 24, "--frames", 6)
        features = self.train_extract()
        role, identity, _ = self.roles(features)
        queries, junk = (role & 1) != 0, (role & 8) != 0
        tested = ((role & (2 | 4)) != 0)
        self.assertTrue((identity[junk] == -1).all() and junk.any())
        self.assertTrue((identity[(role & 4) != 0] == 0).all())
        official = muster_json("score", "--features", features)
        self.assertEqual(official["protocol"], "mars")
        self.assertEqual(official["average_precision"], "trapezoid")
        self.assertEqual(official["queries"], int(queries.sum()))
        self.assertEqual(official["gallery"], int(tested.sum()))
        other = muster_json("score", "--features", features, "--protocol", "mars-torchreid")
        self.assertEqual(other["average_precision"], "rectangle")
        self.assertEqual(other["gallery"], int((tested & ~junk & ~queries).sum()))
        self.assertLessEqual(other["queries"] + other["queries_without_match"],
                             official["queries"])
        # Nobody trains and tests.
        train = set(identity[(role & 16) != 0])
        self.assertFalse(train & set(identity[queries]))

    def test_mars_as_two_cameras_has_one_probe_and_one_gallery_tracklet_a_person(self):
        self.make_store("mars", "--identities", 24, "--frames", 6)
        role, identity, _ = self.roles(self.train_extract("mars-two-camera"))
        probes, gallery = identity[role == 1], identity[role == 2]
        self.assertEqual(sorted(probes), sorted(gallery))
        self.assertEqual(len(set(probes)), len(probes))

    def test_ilids_vid_follows_the_splits_of_its_files(self):
        self.make_store("ilids-vid", "--identities", 12, "--frames", 6)
        role, identity, camera = self.roles(self.train_extract())
        manifest = json.loads((self.store / "manifest.json").read_text())
        tests = set(manifest["test_identities"][0])
        self.assertEqual(len(tests), 6)
        self.assertEqual(set(identity[role == 1]), tests)
        self.assertEqual(set(identity[role == 16]), set(manifest["split_identities"]) - tests)
        self.assertTrue((camera[role == 1] == 1).all() and (camera[role == 2] == 2).all())

    def test_prid2011_keeps_persons_of_27_frames_in_both_cameras(self):
        self.make_store("prid2011", "--identities", 12, "--frames", 40)
        role, identity, _ = self.roles(self.train_extract())
        with h5py.File(self.store / "shard-00000.h5", "r") as shard:
            long = shard["tracklets/length"][:] >= 27
            persons = [set(shard["tracklets/identity"][:][long & (shard["tracklets/camera"][:] == c)])
                       for c in (1, 2)]
        self.assertEqual(set(identity[role != 0]), persons[0] & persons[1])

    def test_sdu_vid_is_halved(self):
        told = self.make_store("sdu-vid", "--identities", 12, "--frames", 6)
        self.assertEqual(told["cameras"], 2)
        role, identity, _ = self.roles(self.train_extract())
        self.assertEqual(len(set(identity[role == 16])), 6)
        self.assertEqual(len(set(identity[role == 1])), 6)

    def test_motchallenge_boxes_become_tracklets(self):
        # Two cameras film the same two persons: grey pictures with a bright box where the person is.
        from PIL import Image
        for number, camera in enumerate(("entry", "exit")):
            images = self.directory / "mot" / camera / "img1"
            images.mkdir(parents=True)
            rows = []
            for frame in range(1, 21):
                picture = numpy.full((120, 200, 3), 90, numpy.uint8)
                for person in (1, 2):
                    left, top = 10 + 4 * frame + 60 * (person - 1), 20 + 10 * number
                    picture[top:top + 64, left:left + 32] = 120 * person
                    rows.append([frame, person, left + 1, top + 1, 32, 64, 1, 1, 1])
                Image.fromarray(picture).save(images / f"{frame:06d}.png")
            (self.directory / "mot" / camera / "gt").mkdir()
            with open(self.directory / "mot" / camera / "gt" / "gt.txt", "w", newline="") as table:
                csv.writer(table).writerows(rows)
        (self.directory / "mot" / "identities.csv").write_text(
            "video,track,identity,camera\nentry,1,1,1\nentry,2,2,1\nexit,1,2,2\nexit,2,1,2\n")
        self.store = self.directory / "mot-store"
        told = muster_json("ingest", "--layout", "mot", "--input", self.directory / "mot", "--store",
                           self.store, "--frame-size", "64x32", "--encoding", "raw", "--flow", "none")
        self.assertEqual((told["tracklets"], told["identities"], told["frames"]), (4, 2, 80))
        with h5py.File(self.store / "shard-00000.h5", "r") as shard:
            for row in range(4):
                start = int(shard["tracklets/start"][row])
                identity, camera = (int(shard["tracklets/" + name][row])
                                    for name in ("identity", "camera"))
                person = identity if camera == 1 else 3 - identity
                # Neither the last columns nor the next person's box.
                self.assertEqual(int(shard["frames/rgb"][start, 32, 8, 0]), 120 * person)


if __name__ == "__main__":
    unittest.main()
