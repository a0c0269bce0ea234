"""The world's faults: one clear line, the right exit code, nothing lost."""
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import unittest

import h5py

from support import MUSTER, SmallStoreTest, muster, muster_json

VIDEO = pathlib.Path(os.environ.get("MUSTER_TEST_VIDEO",
                                    "/usr/share/doc/opencv-doc/examples/data/vtest.avi"))


def limit_files(size):
    """As on a full disk: writing beyond `size` fails."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def small_files_only():
    limit_files(200_000)


def tiny_files_only():
    limit_files(20_000)


class BadInputTest(SmallStoreTest):
    def ingest_error(self, path, *arguments, layout="prid2011", code=2, **options):
        store = self.directory / "new-store"
        error = muster("ingest", "--layout", layout, "--input", path, "--store", store, *arguments,
                       code=code, **options).stderr
        self.assertFalse((store / "manifest.json").exists())
        return error.strip().splitlines()[-1]

    def world_copy(self):
        copy = self.directory / "world"
        shutil.copytree(self.world, copy)
        return copy

    def test_missing_directory(self):
        missing = self.directory / "nowhere"
        line = self.ingest_error(missing)
        self.assertIn(str(missing), line)

    def test_empty_directory(self):
        empty = self.directory / "empty"
        empty.mkdir()
        self.assertIn("multi_shot", self.ingest_error(empty))

    def test_person_folder_without_pictures(self):
        world = self.world_copy()
        (world / "multi_shot" / "cam_a" / "person_0199").mkdir()
        self.assertIn("person_0199", self.ingest_error(world))

    def test_unreadable_and_truncated_pictures_are_named(self):
        world = self.world_copy()
        picture = next(iter(sorted(world.glob("multi_shot/cam_b/person_0003/*.png"))))
        whole = picture.read_bytes()
        for content in [b"", b"not a picture", whole[:len(whole) // 2], whole[:-1]]:
            picture.write_bytes(content)
            self.assertIn(str(picture), self.ingest_error(world))

    def test_skip_leaves_out_the_tracklet_and_says_so(self):
        world = self.world_copy()
        next(iter(sorted(world.glob("multi_shot/cam_b/person_0003/*.png")))).write_bytes(b"x")
        store = self.directory / "store"
        error = muster("ingest", "--layout", "prid2011", "--input", world, "--store", store,
                       "--on-error", "skip").stderr
        self.assertIn("cam_b/person_0003", error)
        self.assertIn("1 unreadable tracklets left out", error)
        muster("store", "verify", store)

    def test_output_that_exists_is_kept(self):
        for command in [("synth", "--world", "prid2011", "--out"),
                        ("ingest", "--layout", "prid2011", "--input", self.world, "--store"),
                        ("store", "export", self.store, "--out")]:
            target = self.directory / ("exists-" + command[0])
            target.mkdir()
            (target / "precious").write_text("mine")
            error = muster(*command, target, code=2).stderr
            self.assertIn(str(target), error)
            self.assertEqual((target / "precious").read_text(), "mine")
            self.assertEqual(os.listdir(target), ["precious"])

    def test_store_of_other_settings_is_kept(self):
        before = (self.store / "manifest.json").read_bytes()
        error = muster("ingest", "--layout", "prid2011", "--input", self.world, "--store",
                       self.store, "--encoding", "raw", code=2).stderr
        self.assertIn("other data or settings", error)
        self.assertEqual((self.store / "manifest.json").read_bytes(), before)

    def test_full_disk_leaves_no_half_store_and_no_half_world(self):
        error = self.ingest_error(self.world, code=1, preexec_fn=small_files_only)
        self.assertIn("shard-00000.h5", error)
        self.assertEqual([name for name in os.listdir(self.directory / "new-store")
                          if not name.startswith(".")], [])

    def test_full_disk_while_training_leaves_no_finished_run(self):
        error = self.train("run", code=1, preexec_fn=tiny_files_only).stderr
        self.assertIn("model.safetensors", error)
        self.assertFalse((self.directory / "run" / "result.json").exists())
        self.assertEqual([name for name in os.listdir(self.directory / "run" / "checkpoints")
                          if not name.startswith(".")], [])

    def test_flipped_byte_in_a_frame_ends_training_with_its_name(self):
        store = self.directory / "store"
        shutil.copytree(self.store, store)
        shard = store / "shard-00000.h5"
        with h5py.File(shard, "r") as file:
            start, size = file["frames/jpeg"].id.get_offset(), file["frames/jpeg"].size
        content = bytearray(shard.read_bytes())
        for place in range(start, start + size, 500):
            content[place] ^= 1
        shard.write_bytes(content)
        error = muster("train", "--spec", self.spec(), "--store", f"small={store}", "--run",
                       self.directory / "run", "--set", "training.steps=20", code=1).stderr
        self.assertRegex(error, r"shard-00000\.h5: (flow of )?frame \d+ does not match its checksum")

    def test_damaged_manifest_and_missing_shard(self):
        store = self.directory / "store"
        shutil.copytree(self.store, store)
        (store / "shard-00000.h5").rename(store / "elsewhere.h5")
        self.assertIn("shard-00000.h5", muster("store", "verify", store, code=1).stderr)
        self.assertIn("shard-00000.h5",
                      muster("train", "--spec", self.spec(), "--store", f"small={store}", "--run",
                             self.directory / "run", code=2).stderr)
        text = (store / "manifest.json").read_text()
        (store / "manifest.json").write_text(text.replace('"frames": ', '"frames":  ', 1))
        self.assertIn("checksum", muster("store", "info", store, code=2).stderr)

    def test_video_that_is_none(self):
        path = self.directory / "film.mp4"
        self.assertIn(str(path), self.ingest_error(path, layout="video"))
        path.write_bytes(b"\0" * 5000)
        self.assertIn(str(path), self.ingest_error(path, layout="video"))

    def test_video_that_ends_early_is_refused_or_used_as_far_as_it_goes(self):
        path = self.directory / "short.avi"
        with open(VIDEO, "rb") as whole:
            path.write_bytes(whole.read(VIDEO.stat().st_size // 5))
        line = self.ingest_error(path, layout="video")
        self.assertRegex(line, r"short\.avi: ends early: decoded \d+ of 795 frames")
        self.assertIn("--on-error skip", line)
        store = self.directory / "short-store"
        facts = muster_json("ingest", "--layout", "video", "--input", path, "--store", store,
                            "--on-error", "skip")
        self.assertEqual([thing["name"] for thing in facts["left_out"]], ["short.avi"])
        self.assertRegex(facts["left_out"][0]["reason"], "ends early")
        muster("store", "verify", store)

    def test_full_disk_while_people_are_cut_out_names_the_directory(self):
        path = self.directory / "film.avi"
        with open(VIDEO, "rb") as whole:
            path.write_bytes(whole.read(VIDEO.stat().st_size // 10))
        rows = "".join(f"{frame},1,100,100,40,80\n" for frame in range(1, 41))
        (self.directory / "film.boxes.csv").write_text(
            "frame,track,left,top,width,height\n" + rows)
        scratch = self.directory / "scratch"
        scratch.mkdir()
        line = self.ingest_error(path, "--on-error", "skip", layout="video", code=1,
                                 preexec_fn=small_files_only,
                                 env={**os.environ, "TMPDIR": str(scratch)})
        self.assertIn(str(scratch), line)
        self.assertIn("TMPDIR", line)
        self.assertEqual(os.listdir(scratch), [])

    def test_killed_ingest_is_finished_by_the_same_command(self):
        store = self.directory / "store"
        arguments = ["ingest", "--layout", "prid2011", "--input", self.world, "--store", store,
                     "--shard-mib", "1"]
        process = subprocess.Popen([MUSTER, *map(str, arguments)], stderr=subprocess.DEVNULL)
        while process.poll() is None and not (store / "shard-00000.h5").exists():
            pass
        process.kill()
        process.wait()
        muster(*arguments)
        muster("store", "verify", store, "--sha256")
        whole = self.directory / "whole"
        muster(*arguments[:-4], "--store", whole, "--shard-mib", "1")
        for name in sorted(os.listdir(whole)):
            self.assertEqual((store / name).read_bytes(), (whole / name).read_bytes(), name)
        self.assertEqual(sorted(os.listdir(store)), sorted(os.listdir(whole)))


if __name__ == "__main__":
    unittest.main()
