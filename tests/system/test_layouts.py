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
        from scipy.io import loadmat
        self.make_store("mars", "--identities", 24, "--frames", 6)
        info = self.directory / "mars" / "info"
        table = loadmat(info / "tracks_test_info.mat")["track_test_info"].astype(int)
        asked = loadmat(info / "query_IDX.mat")["query_IDX"].ravel().astype(int) - 1
        person, camera = table[:, 2], table[:, 3]
        junk = person == -1
        rest = ~junk
        rest[asked] = False
        matched = sum((rest & (person == person[row]) & (camera != camera[row])).any()
                      for row in asked)
        self.assertTrue(junk.any() and (person == 0).any() and 0 < matched < len(asked))
        features = self.train_extract()
        role, identity, _ = self.roles(features)
        for bit, count in [(1, len(asked)), (4, (person == 0).sum()), (8, junk.sum())]:
            self.assertEqual(((role & bit) != 0).sum(), count)
        self.assertEqual(set(identity[(role & 8) != 0]), {-1})
        self.assertEqual(set(identity[(role & 4) != 0]), {0})
        official = muster_json("score", "--features", features)
        self.assertEqual(official["protocol"], "mars")
        self.assertEqual(official["average_precision"], "trapezoid")
        self.assertEqual(official["queries"], len(asked))
        self.assertEqual(official["gallery"], len(table))
        other = muster_json("score", "--features", features, "--protocol", "mars-torchreid")
        self.assertEqual(other["average_precision"], "rectangle")
        self.assertEqual(other["gallery"], rest.sum())
        self.assertEqual(other["queries"], matched)
        self.assertEqual(other["queries_without_match"], len(asked) - matched)
        # Nobody trains and tests.
        train = set(identity[(role & 16) != 0])
        self.assertFalse(train & set(identity[(role & 1) != 0]))

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


def cameras_of(world):
    """The two camera folders of a two-camera layout."""
    return sorted(world.glob("multi_shot/cam_*")) or sorted(world.glob("sequences/cam*"))


class HostileVariationTest(TemporaryDirectoryTest):
    """Worlds as they come from other people's disks: stored, exported and stored again."""

    def content(self, store):
        content = {}
        for shard in sorted(store.glob("*.h5")):
            with h5py.File(shard, "r") as file:
                for name in ("frames/rgb", "frames/flow", "frames/joints", "tracklets/identity",
                             "tracklets/camera", "tracklets/length", "tracklets/role"):
                    content[shard.name, name] = file[name][:]
        return content

    def assert_round_trip(self, layout, world):
        place = self.directory / ("Überwachung 監視 " + "x" * 150)
        place.mkdir(exist_ok=True)
        moved, stores = place / layout, [place / "store", place / "again"]
        world.rename(moved)
        options = ["--encoding", "raw", "--frame-size", "48x24", "--flow-size", "24x12"]
        told = muster_json("ingest", "--layout", layout, "--input", moved, "--store", stores[0],
                           *options)
        muster("store", "export", stores[0], "--out", place / "exported")
        again = muster_json("ingest", "--layout", layout, "--input", place / "exported", "--store",
                            stores[1], *options)
        for name in ("tracklets", "identities", "frames", "cameras"):
            self.assertEqual(told[name], again[name])
        before, after = (self.content(store) for store in stores)
        self.assertEqual(before.keys(), after.keys())
        for name in before:
            numpy.testing.assert_array_equal(before[name], after[name], str(name))
        return told

    def synth(self, layout, *options):
        world = self.directory / layout
        muster("synth", "--world", layout, "--out", world, "--identities", 8, "--frames", 6,
               *options)
        return world

    def spoil(self, world):
        """A gap, a person of one camera, unpadded and scattered numbers, foreign files."""
        first, second = cameras_of(world)
        persons = [folder.name for folder in sorted(first.iterdir())
                   if (second / folder.name).exists()]
        frames = len(list(first.rglob("*.png"))) + len(list(second.rglob("*.png")))
        gone = [first / persons[2], second / persons[2], second / persons[3]]
        for folder in gone:
            frames -= len(list(folder.glob("*.png")))
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
        pictures = sorted((first / persons[1]).glob("*.png"))
        for number, picture in enumerate(pictures):
            picture.rename(picture.with_name(f"Bild-é_{5 + 3 * number}.png"))
        for name in ("Thumbs.db", ".hidden.png", "notes.txt"):
            (second / persons[0] / name).write_text("not a picture")
        (world / "README.txt").write_text("foreign")
        return frames, len(gone)

    def check_two_cameras(self, layout):
        world = self.synth(layout)
        for table in world.rglob("*.mat"):
            table.unlink()  # counts through persons who are gone
        for table in world.glob("splits*.json"):
            table.unlink()
        folders = sum(len(list(camera.iterdir())) for camera in cameras_of(world))
        frames, gone = self.spoil(world)
        told = self.assert_round_trip(layout, world)
        self.assertEqual((told["frames"], told["tracklets"]), (frames, folders - gone))

    def test_prid2011(self):
        self.check_two_cameras("prid2011")

    def test_ilids_vid(self):
        self.check_two_cameras("ilids-vid")

    def test_sdu_vid(self):
        self.check_two_cameras("sdu-vid")

    def test_mars_without_its_name_lists(self):
        world = self.synth("mars")
        for table in world.glob("info/*_name.txt"):
            table.unlink()
        (world / "bbox_train" / "Thumbs.db").write_text("foreign")
        pictures = len(list(world.rglob("*.jpg")))
        told = self.assert_round_trip("mars", world)
        self.assertEqual(told["frames"], pictures)

    def film(self, world, root):
        """Two MOTChallenge sequences in which three persons of a world stand side by side."""
        from PIL import Image
        persons = sorted(folder.name for folder in (world / "multi_shot" / "cam_a").iterdir()
                         if (world / "multi_shot" / "cam_b" / folder.name).exists())[:3]
        lines = ["video,track,identity,camera"]
        for camera, side in enumerate(("cam_a", "cam_b"), start=1):
            films = [sorted((world / "multi_shot" / side / name).glob("*.png"))[:16]
                     for name in persons]
            images, rows = root / side / "img1", []
            images.mkdir(parents=True)
            for frame in range(1, 17):
                street = Image.new("RGB", (320, 200), (70, 80, 90))
                for track, pictures in enumerate(films, start=1):
                    left, top = 100 * (track - 1) + frame % 7, 20 + 5 * track
                    if frame <= len(pictures):
                        picture = Image.open(pictures[frame - 1])
                        street.paste(picture, (left, top))
                        rows.append(f"{frame},{track},{left + 1},{top + 1},{picture.width},"
                                    f"{picture.height},1,1,1")
                street.save(images / f"{frame:06d}.png")
            (root / side / "gt").mkdir()
            (root / side / "gt" / "gt.txt").write_text("\r\n".join(rows) + "\r\n")
            lines += [f"{side},{track},{int(name[-4:])},{camera}"
                      for track, name in enumerate(persons, start=1)]
        (root / "identities.csv").write_text("\ufeff" + "\n".join(lines) + "\n")
        return persons

    def test_motchallenge_cuts_out_exactly_who_was_pasted_and_exports(self):
        from PIL import Image
        muster("synth", "--world", "prid2011", "--out", self.directory / "world", "--identities", 6,
               "--frames", 24)
        root = self.directory / "mot"
        persons = self.film(self.directory / "world", root)
        options = ["--encoding", "raw", "--frame-size", "128x64", "--flow", "none"]
        told = muster_json("ingest", "--layout", "mot", "--input", root, "--store",
                           self.directory / "store", *options)
        self.assertEqual((told["identities"], told["cameras"], told["tracklets"]), (3, 2, 6))
        with h5py.File(self.directory / "store" / "shard-00000.h5", "r") as shard:
            for row in range(6):
                identity, camera, start, length = (
                    int(shard["tracklets/" + name][row])
                    for name in ("identity", "camera", "start", "length"))
                folder = (self.directory / "world" / "multi_shot" / f"cam_{'ab'[camera - 1]}" /
                          f"person_{identity:04d}")
                self.assertIn(folder.name, persons)
                for frame, picture in enumerate(sorted(folder.glob("*.png"))[:length]):
                    numpy.testing.assert_array_equal(shard["frames/rgb"][start + frame],
                                                     numpy.asarray(Image.open(picture)))
        muster("store", "export", self.directory / "store", "--out", self.directory / "exported")
        again = muster_json("ingest", "--layout", "sdu-vid", "--input", self.directory / "exported",
                            "--store", self.directory / "again", *options)
        self.assertEqual(again["frames"], told["frames"])
        rows = []
        for store in ("store", "again"):
            with h5py.File(self.directory / store / "shard-00000.h5", "r") as shard:
                starts = shard["tracklets/start"][:].tolist() + [len(shard["frames/rgb"])]
                rows.append({(int(shard["tracklets/identity"][i]), int(shard["tracklets/camera"][i])):
                             shard["frames/rgb"][starts[i]:starts[i + 1]].tobytes()
                             for i in range(6)})
        self.assertEqual(rows[0], rows[1])

    def test_split_tables_of_persons_who_are_gone_are_refused(self):
        world = self.synth("ilids-vid")
        self.spoil(world)
        error = muster("ingest", "--layout", "ilids-vid", "--input", world, "--store",
                       self.directory / "store", code=2).stderr
        self.assertIn("train_test_splits_ilidsvid.mat", error)


if __name__ == "__main__":
    unittest.main()
