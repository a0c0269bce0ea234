"""Every layout from its files to a score: the counts that its protocol gives."""
import csv
import json
import shutil
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

    def test_films_test_everybody_whom_two_cameras_saw(self):
        self.make_store("sdu-vid", "--identities", 8, "--frames", 6)
        self.train_extract()
        for world in ("mot", "video"):
            told = self.make_store(world, "--identities", 6, "--frames", 30)
            tracks = tracks_of(self.directory / world)
            cameras = {}
            for (_, _), (identity, camera, _) in tracks.items():
                cameras.setdefault(identity, set()).add(camera)
            # A query or gallery row for each unbroken piece of a track.
            expected = sorted((identity, camera, 1 if camera == min(cameras[identity]) else 2)
                              for identity, camera, runs in tracks.values()
                              if len(cameras[identity]) > 1 for _ in runs)
            self.assertEqual((told["identities"], told["cameras"], told["tracklets"]),
                             (6, 3 if world == "mot" else 2,
                              sum(len(runs) for _, _, runs in tracks.values())))
            features = self.directory / f"{world}.h5"
            muster("extract", "--run", self.directory / "run-", "--store", f"film={self.store}",
                   "--features", features)
            role, identity, camera = self.roles(features)
            self.assertEqual(sorted(zip(identity, camera, role)), expected)
            scored = muster_json("score", "--features", features)
            self.assertEqual(scored["protocol"], "all-test")
            self.assertEqual(scored["queries"], sum(row[2] == 1 for row in expected))
            self.assertEqual(scored["gallery"], sum(row[2] == 2 for row in expected))


def table_of(path):
    """Rows of cells, whatever wrote the file."""
    rows = csv.reader(path.read_text(encoding="utf-8-sig").splitlines())
    return [[cell.strip() for cell in row] for row in rows if row]


def tracks_of(world):
    """Of a world of films by (film, track): identity, camera and the lengths of unbroken runs."""
    frames = {}
    for path in world.glob("*/gt/gt.txt"):
        for row in table_of(path):
            if len(row) > 9 or row[7] == "1":
                frames.setdefault((path.parent.parent.name, int(row[1])), []).append(int(row[0]))
    for path in world.glob("*.boxes.csv"):
        film = path.name.replace(".boxes.csv", "")
        name = next(video.name for video in world.iterdir()
                    if video.stem == film and video.suffix.lower() == ".avi")
        for row in table_of(path)[1:]:
            frames.setdefault((name, int(row[1])), []).append(int(row[0]))
    tracks = {}
    for video, track, identity, camera in table_of(world / "identities.csv")[1:]:
        runs = [0]
        of_track = frames[video, int(track)]
        for before, frame in zip([of_track[0] - 1, *of_track], of_track):
            if frame != before + 1:
                runs.append(0)
            runs[-1] += 1
        tracks[video, int(track)] = (int(identity), int(camera), runs)
    return tracks


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
                    if name in file or name != "frames/joints":  # which films have not
                        content[shard.name, name] = file[name][:]
        return content

    def assert_round_trip(self, layout, world, export=None):
        place = self.directory / ("Überwachung 監視 " + "x" * 150)
        place.mkdir(exist_ok=True)
        moved, stores = place / layout, [place / "store", place / "again"]
        world.rename(moved)
        options = ["--encoding", "raw", "--frame-size", "48x24", "--flow-size", "24x12"]
        told = muster_json("ingest", "--layout", layout, "--input", moved, "--store", stores[0],
                           *options)
        muster("store", "export", stores[0], "--out", place / "exported")
        again = muster_json("ingest", "--layout", export or layout, "--input", place / "exported",
                            "--store", stores[1], *options)
        for name in ("tracklets", "identities", "frames", "cameras"):
            self.assertEqual(told[name], again[name])
        before, after = (self.content(store) for store in stores)
        self.assertEqual(before.keys(), after.keys())
        for name in before:
            numpy.testing.assert_array_equal(before[name], after[name], str(name))
        synthetic = [json.loads((store / "manifest.json").read_text())["synthetic"]
                     for store in stores]
        self.assertEqual(synthetic, [True, True])
        return told

    def synth(self, layout, frames=6):
        world = self.directory / layout
        muster("synth", "--world", layout, "--out", world, "--identities", 8, "--frames", frames)
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

    def assert_films_round_trip(self, layout, world):
        tracks = tracks_of(world)
        told = self.assert_round_trip(layout, world, "sdu-vid")
        self.assertEqual(told["tracklets"], sum(len(runs) for _, _, runs in tracks.values()))
        self.assertEqual(told["frames"], sum(sum(runs) for _, _, runs in tracks.values()))
        self.assertEqual(told["identities"], len({track[0] for track in tracks.values()}))
        self.assertEqual(told["cameras"], len({track[1] for track in tracks.values()}))

    @staticmethod
    def as_windows_writes(path):
        """With byte order mark, CR LF, blanks and an empty line."""
        text = path.read_text(encoding="utf-8").replace(",", " , ")
        if path.suffix == ".csv":
            heading, rows = text.split("\n", 1)
            text = heading.replace(" ", "") + "\n" + rows
        path.write_bytes(("\ufeff" + text.replace("\n", "\r\n") + "\r\n").encode())

    def test_motchallenge(self):
        from PIL import Image
        world = self.synth("mot", 40)
        first, second, third = sorted(path for path in world.iterdir() if path.is_dir())
        for number, picture in enumerate(sorted((first / "img1").iterdir()), start=1):
            picture.rename(picture.with_name(f"Bild-é_{number}.JPG"))
        for picture in sorted((second / "img1").iterdir())[3:6]:
            Image.open(picture).save(picture, format="PNG")  # mislabelled
        (second / "seqinfo.ini").unlink()
        second.rename(world / "Straße 02")
        # The form of 2015, in which rows have no class; someone whom no identity is known of.
        truth = third / "gt" / "gt.txt"
        truth.write_text("".join(",".join(row[:7] + ["-1"] * 3) + "\n" for row in table_of(truth)
                                 if row[7] == "1"))
        rows = (world / "identities.csv").read_text().replace(second.name, "Straße 02")
        (world / "identities.csv").write_text(
            "".join(line for line in rows.splitlines(True) if ",5,1\n" not in line))
        self.as_windows_writes(world / "identities.csv")
        self.as_windows_writes(first / "gt" / "gt.txt")
        for name in ("Thumbs.db", ".hidden.png", "notes.txt"):
            (first / "img1" / name).write_text("not a picture")
        (world / ".cache").mkdir()
        self.assert_films_round_trip("mot", world)

    def test_motchallenge_cuts_out_what_the_rows_say(self):
        from PIL import Image
        world = self.synth("mot")
        store = self.directory / "store"
        muster("ingest", "--layout", "mot", "--input", world, "--store", store, "--encoding", "raw",
               "--flow", "none", "--frame-size", "32x16")
        tracks = {(identity, camera): name
                  for name, (identity, camera, _) in tracks_of(world).items()}
        compared = 0
        with h5py.File(store / "shard-00000.h5", "r") as shard:
            for identity, camera, start, length in zip(*(
                    shard["tracklets/" + name][:].tolist()
                    for name in ("identity", "camera", "start", "length"))):
                film, track = tracks[identity, camera]
                if not (world / film / "img1").exists():
                    continue
                boxes = [list(map(int, row[:6])) for row in table_of(world / film / "gt" / "gt.txt")
                         if int(row[1]) == track]
                for offset in range(length):
                    frame, _, left, top, width, height = boxes[offset]
                    if left < 1 or top < 1 or left + width > 320 or top + height > 240:
                        continue
                    picture = Image.open(world / film / "img1" / f"{frame:06d}.jpg").crop(
                        (left - 1, top - 1, left - 1 + width, top - 1 + height))
                    expected = numpy.asarray(picture.resize((16, 32), Image.BOX), float)
                    difference = shard["frames/rgb"][start + offset] - expected
                    # A box that is a pixel off gives 2.6 and more.
                    self.assertLess(numpy.abs(difference).mean(), 2.1, (film, frame, track))
                    compared += 1
        self.assertGreater(compared, 30)

    def test_motchallenge_with_detections_only(self):
        world = self.synth("mot", 64)
        for number, name in enumerate(("SYNTH-01", "SYNTH-03")):  # pictures, a video
            people = {row[1] for row in table_of(world / name / "gt" / "gt.txt") if row[7] == "1"}
            (world / name / "gt" / "gt.txt").unlink()
            (world / name / "gt").rmdir()
            stores = [self.directory / f"store-{number}", self.directory / f"again-{number}"]
            told = muster_json("ingest", "--layout", "mot", "--input", world / name, "--store",
                               stores[0], "--encoding", "raw")
            self.assertEqual((told["identities"], told["cameras"], told["tracklets"]),
                             (len(people), 2, 2 * len(people)))
            muster("store", "export", stores[0], "--out", self.directory / f"exported-{number}")
            muster("ingest", "--layout", "sdu-vid", "--input", self.directory / f"exported-{number}",
                   "--store", stores[1], "--encoding", "raw")
            self.assertEqual(*([{name: content.tobytes()
                                 for name, content in self.content(store).items()}
                                for store in stores]))

    def test_video(self):
        world = self.synth("video", 40)
        (world / "camera-1.avi").rename(world / "Kamera é 1.AVI")
        (world / "camera-1.boxes.csv").rename(world / "Kamera é 1.boxes.csv")
        rows = (world / "identities.csv").read_text().replace("camera-1.avi", "Kamera é 1.AVI")
        (world / "identities.csv").write_text(rows)
        for path in world.glob("*.csv"):
            self.as_windows_writes(path)
        (world / "nobody-listed.mp4").write_text("no video")
        (world / "README.txt").write_text("foreign")
        self.assert_films_round_trip("video", world)

    def spoil_for_skipping(self, layout, world):
        """Things that readers and the look at all pictures leave out; how many."""
        if layout == "mars":
            (world / "bbox_test" / "0099").mkdir()
            next(iter(sorted(world.glob("bbox_test/0000/*.jpg")))).write_bytes(b"")
            return 2
        if layout == "mot":
            (world / "SYNTH-01" / "seqinfo.ini").write_text("[Seq")
            sorted((world / "SYNTH-01" / "img1").iterdir())[8].write_bytes(b"")
            truth = world / "SYNTH-02" / "gt" / "gt.txt"
            truth.write_text("1,1,x,1,1,1,1,1,1\n" + truth.read_text())
            (world / "SYNTH-03" / "SYNTH-03.avi").unlink()
            return 5  # and the row of identities.csv whose track is gone
        if layout == "video":
            (world / "camera-2.avi").write_bytes(b"no video")
            (world / "hall.boxes.csv").write_text("frame,track,left,top,width,height\n")
            return 2
        camera = cameras_of(world)[0]
        for table in [*world.rglob("*.mat"), *world.glob("splits*.json")]:
            table.unlink()
        (camera / "nobody").mkdir()
        pictures = sorted(camera.rglob("*.png"))
        pictures[0].write_bytes(b"")
        return 2

    def test_a_store_does_not_tell_where_its_dataset_lay(self):
        for layout in ("mars", "prid2011", "ilids-vid", "sdu-vid", "mot", "video"):
            world = self.synth(layout)
            count = self.spoil_for_skipping(layout, world)
            elsewhere = self.directory / f"else where {layout}" / "deeper" / layout
            shutil.copytree(world, elsewhere)
            stores = [self.directory / f"{layout}-here", self.directory / f"{layout}-there"]
            told = muster_json("ingest", "--layout", layout, "--input", f"{layout}/", "--store",
                               stores[0], "--on-error", "skip", cwd=self.directory)
            self.assertEqual(len(told["left_out"]), count, told["left_out"])
            muster("ingest", "--layout", layout, "--input", elsewhere, "--store", stores[1],
                   "--on-error", "skip")
            for name in sorted(path.name for path in stores[0].iterdir()):
                self.assertEqual((stores[0] / name).read_bytes(), (stores[1] / name).read_bytes(),
                                 f"{layout}: {name}")
            for thing in told["left_out"]:
                self.assertNotIn(layout + "/", thing["name"] + thing["reason"])
                self.assertNotIn(str(self.directory), thing["name"] + thing["reason"])

    def test_split_tables_of_persons_who_are_gone_are_refused(self):
        world = self.synth("ilids-vid")
        self.spoil(world)
        error = muster("ingest", "--layout", "ilids-vid", "--input", world, "--store",
                       self.directory / "store", code=2).stderr
        self.assertIn("train_test_splits_ilidsvid.mat", error)


if __name__ == "__main__":
    unittest.main()
