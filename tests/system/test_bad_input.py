"""The world's faults: one clear line, the right exit code, nothing lost."""
import hashlib
import io
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import unittest
import zlib

import h5py
import numpy
from PIL import Image

from support import MUSTER, SmallStoreTest, muster, muster_json

VIDEO = pathlib.Path(os.environ.get("MUSTER_TEST_VIDEO",
                                    "/usr/share/doc/opencv-doc/examples/data/vtest.avi"))
# What ingest tells of its work.
PROGRESS = r"(hashing sources|writing frames) \d|\S+/store\S* gets \d+ tracklets, "


def process_place():
    """As temporaries are named: the host, and which boot and process namespace of it."""
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    digest = hashlib.sha256((boot + os.readlink("/proc/self/ns/pid")).encode()).hexdigest()
    return f"{socket.gethostname()}-{digest[:8]}"


def limit_files(size):
    """As on a full disk: writing beyond `size` fails."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def small_files_only():
    limit_files(200_000)


def tiny_files_only():
    limit_files(20_000)


def no_files():
    limit_files(0)


class BadInputTest(SmallStoreTest):
    def extract(self, features, **options):
        return muster("extract", "--run", self.directory / "run", "--store", f"small={self.store}",
                      "--features", features, **options)

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

    def test_a_name_with_control_characters_stays_in_its_line(self):
        world = self.world_copy()
        last = sorted(world.glob("multi_shot/cam_b/person_0003/*.png"))[-1]
        picture = last.rename(last.with_name("evil\n\x1b[2J\r_9999.png"))
        picture.write_bytes(b"x")
        written = f"{picture.parent}/evil\\n\\x1b[2J\\x0d_9999.png"
        store = self.directory / "new-store"
        error = muster("ingest", "--layout", "prid2011", "--input", world, "--store", store,
                       code=2).stderr
        self.assertEqual(error.split("\n")[-2:],
                         [f"muster: {written}: is no JPEG, PNG or BMP picture; fetch the picture "
                          "again, or convert it to PNG", ""])
        error = muster("ingest", "--layout", "prid2011", "--input", world, "--store", store,
                       "--on-error", "skip").stderr
        self.assertIn("\nleft out multi_shot/cam_b/person_0003: evil\\n\\x1b[2J\\x0d_9999.png: "
                      "is no JPEG, PNG or BMP picture\n", error)
        missing = self.directory / "no\nwhere"
        for command in (["store", "info", missing],
                        ["ingest", "--layout", "prid2011", "--store", store, "--input", missing]):
            error = muster(*command, code=2).stderr
            self.assertIn("/no\\nwhere", error)
            self.assertEqual(error.count("\n"), 1, error)

    def test_skip_leaves_out_the_tracklet_and_says_so(self):
        world = self.world_copy()
        next(iter(sorted(world.glob("multi_shot/cam_b/person_0003/*.png")))).write_bytes(b"x")
        store = self.directory / "store"
        error = muster("ingest", "--layout", "prid2011", "--input", world, "--store", store,
                       "--on-error", "skip").stderr
        self.assertIn("cam_b/person_0003", error)
        self.assertIn("1 left out", error)
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
        self.assertIn(f"{self.directory}/new-store/shard-00000.h5: ", error)
        self.assertIn("File too large; make room and run the same command again", error)
        self.assertEqual(os.listdir(self.directory), [])

    def test_full_disk_while_rendering_names_the_world(self):
        world = self.directory / "full"
        error = muster("synth", "--world", "prid2011", "--out", world, "--identities", 2,
                       "--frames", 3, code=1, preexec_fn=no_files).stderr
        self.assertIn(f"{world}/", error)
        self.assertNotIn(".tmp.", error)
        self.assertIn("File too large; make room and run the same command again", error)
        self.assertEqual(os.listdir(self.directory), [])
        # Video encoders do not say that they could not write.
        error = muster("synth", "--world", "video", "--out", world, "--identities", 2,
                       "--frames", 20, code=1, preexec_fn=small_files_only).stderr
        self.assertIn("make room and run the same command again", error)
        self.assertEqual(os.listdir(self.directory), [])

    def test_full_disk_while_training_leaves_no_finished_run(self):
        error = self.train("run", code=1, preexec_fn=tiny_files_only).stderr
        self.assertIn(f"{self.directory}/run/checkpoints/step-00000002/model.safetensors: ", error)
        self.assertIn("File too large; make room and run the same command again", error)
        self.assertFalse((self.directory / "run" / "result.json").exists())
        self.assertEqual([name for name in os.listdir(self.directory / "run" / "checkpoints")
                          if not name.startswith(".")], [])

    def test_full_disk_before_training_is_mended_by_the_same_command(self):
        self.assertIn("provenance.json", self.train("run", code=1, preexec_fn=no_files).stderr)
        self.train("run")
        self.assertEqual(os.listdir(self.directory / "run").count("result.json"), 1)
        self.assertEqual(sorted(os.listdir(self.directory)), ["run", "spec.textproto"])

    def test_full_disk_while_extracting_names_the_file(self):
        self.train("run")
        features = self.directory / "features.h5"
        error = self.extract(features, code=1, preexec_fn=no_files).stderr
        self.assertIn(f"{features}: ", error)
        self.assertIn("File too large; make room and run the same command again", error)
        self.assertEqual(sorted(os.listdir(self.directory)), ["run", "spec.textproto"])

    def test_remains_of_dead_writers_are_removed(self):
        self.train("run")
        died = subprocess.Popen(["true"])
        died.wait()
        for name in ["world", "features.h5", "result.json"]:
            (self.directory / f".{name}.tmp.{process_place()}.{died.pid}.0").write_text("half")
        muster("synth", "--world", "prid2011", "--out", self.directory / "world", "--identities", 2,
               "--frames", 2)
        self.extract(self.directory / "features.h5")
        muster("score", "--features", self.directory / "features.h5", "--result",
               self.directory / "result.json")
        self.assertEqual([name for name in os.listdir(self.directory) if name[0] == "."], [])

    def test_files_of_others_are_never_replaced(self):
        self.train("run")
        features = self.directory / "features.h5"
        self.extract(features)
        self.extract(features)
        precious = self.directory / "precious"
        for content in ["my thesis", "{}"]:
            precious.write_text(content)
            for done in [self.extract(precious, code=2),
                         muster("score", "--features", features, "--result", precious, code=2)]:
                self.assertIn(f"{precious}: already exists", done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1)
                self.assertEqual(precious.read_text(), content)
        folder = self.directory / "folder"
        folder.mkdir()
        self.assertIn(f"{folder}: is a directory", self.extract(folder, code=2).stderr)
        result = self.directory / "result.json"
        for _ in range(2):
            muster("score", "--features", features, "--result", result)

    def test_a_damaged_png_gets_exactly_one_line(self):
        world = self.world_copy()
        picture = next(iter(sorted(world.glob("multi_shot/cam_b/person_0003/*.png"))))
        content = bytearray(picture.read_bytes())
        content[len(content) // 2] ^= 0x10
        picture.write_bytes(content)
        error = muster("ingest", "--layout", "prid2011", "--input", world, "--store",
                       self.directory / "store", code=2).stderr
        lines = [line for line in error.splitlines() if "png" in line.lower()]
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], f"muster: {picture}: is damaged at byte [0-9]+; "
                                   "fetch the picture again")

    @staticmethod
    def encoded(format, **options):
        noise = numpy.random.default_rng(0).integers(0, 256, (128, 64, 3)).astype(numpy.uint8)
        content = io.BytesIO()
        Image.fromarray(noise).save(content, format, **options)
        return content.getvalue()

    @staticmethod
    def png_holding(packed):
        """128x64 pixels by their header; every chunk has the checksum that it should have."""
        def chunk(kind, content):
            return (struct.pack(">I", len(content)) + kind + content +
                    struct.pack(">I", zlib.crc32(kind + content)))
        header = struct.pack(">IIBBBBB", 64, 128, 8, 2, 0, 0, 0)
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) +
                chunk(b"IEND", b""))

    def damaged_pictures(self):
        """What the libraries that could decode these would print lines of their own about."""
        row = b"\0" + bytes(3 * 64)
        jpeg = bytearray(self.encoded("JPEG", quality=90))
        middle = len(jpeg) // 2
        jpeg[middle - 200:middle + 200] = 2 * bytes(range(1, 201))
        bmp = self.encoded("BMP")
        damaged = {"jpeg": bytes(jpeg), "short bmp": bmp[:len(bmp) // 2], "bmp header": bmp[:40],
                   "short rows": self.png_holding(zlib.compress(row * 100)),
                   "cut rows": self.png_holding(zlib.compress(row * 128)[:-6]),
                   "no zlib": self.png_holding(bytes(50)),
                   "wrong sum": self.png_holding(zlib.compress(row * 128)[:-1] + b"\xff"),
                   "hdr": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 128 +X 64\n\2\2\0",
                   "exr": b"\x76\x2f\x31\x01\2\0\0\0channels\0chlist\0"}
        for format in ("TIFF", "PPM", "JPEG2000"):
            whole = self.encoded(format)
            damaged[format] = whole[:len(whole) // 2]
        return damaged

    def test_every_damaged_picture_gets_exactly_one_line_under_every_name(self):
        world = self.world_copy()
        last = sorted(world.glob("multi_shot/cam_b/person_0003/*.png"))[-1]
        last.unlink()
        for kind, content in self.damaged_pictures().items():
            for ending in (".png", ".jpg", ".jpeg", ".bmp"):
                picture = last.with_suffix(ending)
                picture.write_bytes(content)
                with self.subTest(kind, ending=ending):
                    store = self.directory / f"store-of-{kind.replace(' ', '-')}{ending}"
                    error = muster("ingest", "--layout", "prid2011", "--input", world, "--store",
                                   store, "--flow", "none", code=2).stderr
                    told = [line for line in re.split("[\r\n]+", error)
                            if line and not re.match(PROGRESS, line)]
                    self.assertEqual(len(told), 1, told)
                    self.assertIn(f"muster: {picture}: ", told[0])
                picture.unlink()

    def test_damaged_pictures_are_left_out_where_that_is_asked_for(self):
        world = self.world_copy()
        reasons = {}
        people = sorted(world.glob("multi_shot/cam_*/person_*"))
        for folder, (kind, content) in zip(people, self.damaged_pictures().items()):
            (folder / "0005.png").write_bytes(content)
            reasons[str(folder.relative_to(world))] = kind
        self.assertEqual(len(reasons), len(self.damaged_pictures()))
        facts = muster_json("ingest", "--layout", "prid2011", "--input", world, "--store",
                            self.directory / "store", "--flow", "none", "--on-error", "skip")
        left_out = {thing["name"]: thing["reason"] for thing in facts["left_out"]}
        self.assertEqual(sorted(left_out), sorted(reasons))
        for name, reason in left_out.items():
            self.assertRegex(reason, "^0005.png: (is|has|cannot be) ", reasons[name])

    def test_tracks_that_half_a_video_loses_are_listed(self):
        world = self.directory / "world"
        muster("synth", "--world", "video", "--out", world, "--identities", 6, "--frames", 30)
        film = world / "camera-1.avi"
        os.truncate(film, film.stat().st_size // 2)
        facts = muster_json("ingest", "--layout", "video", "--input", world, "--store",
                            self.directory / "store", "--on-error", "skip", "--flow", "none")
        (end,) = [thing["reason"] for thing in facts["left_out"] if thing["name"] == film.name]
        decoded = int(re.match(r"ends early: decoded (\d+) of ", end)[1])
        first_frames = {}
        for line in (world / "camera-1.boxes.csv").read_text().splitlines()[1:]:
            frame, track = map(int, line.split(",")[:2])
            first_frames.setdefault(track, frame)
        lost = [f"identities.csv line {number}"
                for number, line in enumerate((world / "identities.csv").read_text().splitlines(), 1)
                if line.startswith(film.name) and first_frames[int(line.split(",")[1])] > decoded]
        self.assertGreaterEqual(len(lost), 1)
        self.assertEqual([thing["name"] for thing in facts["left_out"]], [film.name] + lost)
        for thing in facts["left_out"][1:]:
            self.assertRegex(thing["reason"], r"camera-1\.avi has no track \d that can be used; "
                                              "the film ends early: decoded ")

    def test_sources_that_are_no_files_are_named_with_reason_and_remedy(self):
        for make, reason in [(lambda path: path.symlink_to("nowhere"), "is a link to nowhere"),
                             (lambda path: path.symlink_to(path.name),
                              "is a link that leads back to itself"),
                             (lambda path: path.mkdir(), "is a directory, not a file"),
                             (os.mkfifo, "is a pipe or device, not a file")]:
            world = self.world_copy()
            picture = sorted(world.glob("multi_shot/cam_b/person_0003/*.png"))[4]
            picture.unlink()
            make(picture)
            line = self.ingest_error(world)
            self.assertIn(f"{picture}: {reason}; ", line)
            self.assertIn("--on-error skip", line)
            store = self.directory / "store"
            done = muster("ingest", "--layout", "prid2011", "--input", world, "--store", store,
                          "--on-error", "skip")
            self.assertIn(f"left out multi_shot/cam_b/person_0003: {picture.name}: {reason}",
                          done.stderr)
            shutil.rmtree(store)
            shutil.rmtree(world)

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
