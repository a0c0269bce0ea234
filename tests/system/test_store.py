"""Stores as other programs see them, and damage to them."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import unittest

import h5py
import numpy

from support import LONG, MUSTER, SmallStoreTest, muster, muster_json, progress_of


def crc32c(content):
    """Castagnoli's polynomial, a byte at a time."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def sealed(value):
    """JSON that ends in a checksum of itself, as docs/formats/store.md says."""
    body = json.dumps(value, indent=1).encode()[:-2]
    return body + b',\n"checksum": "' + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


def describe_again(store):
    """What a newer muster's manifest would say of a store with one shard that was changed."""
    manifest = json.loads((store / "manifest.json").read_text())
    del manifest["checksum"]
    record, = manifest["shards"]
    content = (store / record["file"]).read_bytes()
    outside, place = b"", 0
    for begin, size in record["payloads"]:
        outside += content[place:begin]
        place = begin + size
    record.update(bytes=len(content), outside_crc32c=crc32c(outside + content[place:]),
                  sha256=hashlib.sha256(content).hexdigest(),
                  crc32c=[crc32c(content[at:at + 2**20]) for at in range(0, len(content), 2**20)])
    (store / "manifest.json").write_bytes(sealed(manifest))


def write_annotation(store, name, joints):
    """Of a store with one shard; made from its page in docs/formats alone."""
    record, = json.loads((store / "manifest.json").read_text())["shards"]
    folder = store / "annotations" / name
    folder.mkdir(parents=True)
    with h5py.File(folder / record["file"], "w") as shard:
        shard["frames/joints"] = joints.astype(numpy.float32)
    content = (folder / record["file"]).read_bytes()
    index = {"format_version": 1, "origin": "by h5py",
             "shards": [{"file": record["file"], "annotates": record["uuid"],
                         "bytes": len(content), "crc32c": crc32c(content),
                         "frames": record["frames"]}]}
    (folder / "annotation.json").write_bytes(sealed(index))
    return folder


class StoreTest(SmallStoreTest):
    def shard(self):
        return self.store / "shard-00000.h5"

    def test_stock_h5py_reads_every_dataset(self):
        with h5py.File(self.shard(), "r") as shard:
            frames = int(shard["tracklets/length"][:].sum())
            self.assertEqual(shard["frames/jpeg_offset"].shape, (frames + 1,))
            self.assertEqual(shard["frames/flow"].shape, (frames, 64, 48, 2))
            self.assertEqual(shard["frames/flow"].dtype, numpy.int8)
            self.assertAlmostEqual(shard["frames/flow"].attrs["scale_factor"], 20 / 127)
            self.assertEqual(shard["frames/joints"].shape, (frames, 14, 3))
            self.assertEqual(shard.attrs["complete"], 1)
            for name in ["start", "length", "identity", "camera", "sequence"]:
                self.assertEqual(shard["tracklets/" + name].shape,
                                 shard["tracklets/start"].shape)
            first = shard["tracklets/start"][:]
            self.assertTrue((shard["frames/flow"][:][first] == 0).all())
            jpeg = bytes(shard["frames/jpeg"][:][:int(shard["frames/jpeg_offset"][1])])
            self.assertTrue(jpeg.startswith(b"\xff\xd8") and jpeg.endswith(b"\xff\xd9"))

    def test_joints_are_those_of_the_world(self):
        with h5py.File(self.shard(), "r") as shard:
            joints = shard["frames/joints"][:]
            identity = shard["tracklets/identity"][0]
            camera = "ab"[shard["tracklets/camera"][0] - 1]
        table = (self.world / "joints" / "multi_shot" / f"cam_{camera}" /
                 f"person_{identity:04d}.csv").read_text().splitlines()
        expected = numpy.array([float(v) for v in table[1].split(",")[1:]]).reshape(14, 3)
        numpy.testing.assert_allclose(joints[0], expected, atol=1e-3)

    def test_info_counts_what_the_world_holds(self):
        info = muster_json("store", "info", self.store)
        folders = list(self.world.glob("multi_shot/cam_*/person_*"))
        pictures = list(self.world.glob("multi_shot/cam_*/person_*/*.png"))
        self.assertEqual(info["tracklets"], len(folders))
        self.assertEqual(info["frames"], len(pictures))
        self.assertTrue(info["synthetic"])

    def test_json_stays_json_for_a_path_that_is_not_utf8(self):
        odd = os.fsencode(self.directory) + b"/non\xffutf"
        os.symlink(os.fsencode(self.store), odd)
        for action in ("info", "verify"):
            done = subprocess.run([os.fsencode(MUSTER), b"store", action.encode(), odd, b"--json"],
                                  capture_output=True, check=True)
            self.assertIn("store", json.loads(done.stdout.decode("utf-8")))

    def test_same_input_gives_same_bytes_whatever_the_jobs(self):
        again = self.directory / "again"
        muster("ingest", "--layout", "prid2011", "--input", self.world, "--store", again, "--jobs",
               "3")
        for name in ["manifest.json", "shard-00000.h5"]:
            self.assertEqual((again / name).read_bytes(), (self.store / name).read_bytes())

    def test_ingest_again_changes_nothing(self):
        before = (self.store / "manifest.json").stat().st_mtime_ns
        error = muster("ingest", "--layout", "prid2011", "--input", self.world, "--store",
                       self.store).stderr
        self.assertIn("already there", error)
        self.assertEqual((self.store / "manifest.json").stat().st_mtime_ns, before)

    def test_any_flipped_byte_is_found(self):
        copy = self.directory / "copy"
        shutil.copytree(self.store, copy)
        for name in ["manifest.json", "shard-00000.h5"]:
            whole = (copy / name).read_bytes()
            count = 200 if LONG else 40
            places = sorted({int(i * (len(whole) - 1) / count) for i in range(count + 1)})
            for place in places:
                with open(copy / name, "r+b") as file:
                    file.seek(place)
                    file.write(bytes([whole[place] ^ (1 << place % 8)]))
                done = subprocess.run([MUSTER, "store", "verify", copy],
                                      capture_output=True, text=True)
                self.assertIn(done.returncode, (1, 2), f"{name} byte {place}")
                self.assertIn(name, done.stderr)
                (copy / name).write_bytes(whole)
        muster("store", "verify", copy, "--sha256")

    def test_export_gives_back_the_stored_jpegs(self):
        out = self.directory / "out"
        muster("store", "export", self.store, "--out", out)
        with h5py.File(self.shard(), "r") as shard:
            offset = shard["frames/jpeg_offset"][:]
            jpeg = bytes(shard["frames/jpeg"][:])
            identity, camera = shard["tracklets/identity"][0], shard["tracklets/camera"][0]
        first = (out / "multi_shot" / f"cam_{'ab'[camera - 1]}" / f"person_{identity:04d}" /
                 "0001.jpg")
        self.assertEqual(first.read_bytes(), jpeg[:int(offset[1])])
        self.assertEqual(len(list(out.rglob("*.jpg"))), len(offset) - 1)

    def test_an_export_is_a_dataset_again(self):
        out, again = self.directory / "exported", self.directory / "again-from-export"
        told = muster_json("store", "export", self.store, "--out", str(out) + "/")
        self.assertEqual(told["layout"], "prid2011")
        muster("ingest", "--layout", told["layout"], "--input", out, "--store", again)
        before, after = muster_json("store", "info", self.store), muster_json("store", "info", again)
        for name in ("tracklets", "frames", "identities", "cameras", "origin", "synthetic", "joints"):
            self.assertEqual(before[name], after[name])
        with h5py.File(self.shard(), "r") as old, h5py.File(again / "shard-00000.h5", "r") as new:
            for name in ("frames/jpeg", "frames/joints", "tracklets/identity", "tracklets/camera"):
                numpy.testing.assert_array_equal(old[name][:], new[name][:])

    def test_an_annotation_by_another_program_is_found_checked_and_exported(self):
        plain, store, out = (self.directory / name for name in ("plain", "store", "out"))
        shutil.copytree(self.world, plain)
        shutil.rmtree(plain / "joints")
        muster("ingest", "--layout", "prid2011", "--input", plain, "--store", store)
        with h5py.File(self.shard(), "r") as shard:
            joints = shard["frames/joints"][:]
        folder = write_annotation(store, "pose", joints)
        info = muster_json("store", "info", store)
        self.assertFalse(info["joints"])
        self.assertEqual(info["annotations"], [{"name": "pose", "origin": "by h5py", "fault": ""}])
        self.assertIn("pose: joints, by h5py", muster("store", "info", store).stdout)
        self.assertTrue(muster_json("store", "verify", store)["whole"])
        told = muster_json("store", "export", store, "--out", out)
        self.assertEqual(told["annotation"], "pose")
        for table in self.world.glob("joints/**/*.csv"):
            copy = out / table.relative_to(self.world)
            numbers = [numpy.loadtxt(path, delimiter=",", skiprows=1, usecols=range(1, 43), ndmin=2)
                       for path in (table, copy)]
            numpy.testing.assert_allclose(numbers[1], numbers[0], atol=1e-3)

        file = folder / "shard-00000.h5"
        whole = file.read_bytes()
        file.write_bytes(whole[:-9] + bytes([whole[-9] ^ 16]) + whole[-8:])
        for command in (("verify", store), ("export", store, "--out", self.directory / "second")):
            done = muster("store", *command, code=1 if command[0] == "verify" else 2)
            self.assertIn(f"{file}: differs from what was written", done.stderr)
        muster("ingest", "--layout", "prid2011", "--input", plain, "--store", store)
        other = self.directory / "other"
        muster("ingest", "--layout", "prid2011", "--input", plain, "--store", other, "--encoding",
               "raw")
        shutil.copytree(store / "annotations", other / "annotations")
        self.assertIn("belongs to another store", muster("store", "info", other).stdout)
        self.assertIn("belongs to another store", muster("store", "verify", other, code=1).stderr)

    def test_info_refuses_shards_of_a_version_that_it_does_not_know(self):
        copy = self.directory / "copy-of-version-2"
        shutil.copytree(self.store, copy)
        with h5py.File(copy / "shard-00000.h5", "r+") as shard:
            shard.attrs.modify("format_version", numpy.bytes_("2.0"))
        # Changed behind the manifest's back it is damage, which HDF5 must not meet.
        self.assertIn("is damaged", muster("store", "info", copy, code=1).stderr)
        describe_again(copy)
        done = muster("store", "info", copy, code=2)
        self.assertIn("shard-00000.h5: has shard format 2.0, this program reads 1.x", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_joints_that_are_no_numbers_are_told(self):
        plain, store = self.directory / "plain-nan", self.directory / "store-nan"
        shutil.copytree(self.world, plain)
        shutil.rmtree(plain / "joints")
        muster("ingest", "--layout", "prid2011", "--input", plain, "--store", store)
        with h5py.File(self.shard(), "r") as shard:
            joints = shard["frames/joints"][:]
            second = int(shard["tracklets/start"][1])
        joints[second + 2, 3, 1] = numpy.nan
        folder = write_annotation(store, "pose", joints)
        told = f"{folder / 'shard-00000.h5'}: tracklet 2 (identity "
        for command in (("verify", store), ("export", store, "--out", self.directory / "none")):
            done = muster("store", *command, code=1 if command[0] == "verify" else 2)
            line, = [line for line in done.stderr.splitlines() if "finite" in line]
            self.assertIn(told, line)
            self.assertIn("frame 3: joint 4 is not finite", line)
        self.assertFalse((self.directory / "none").exists())
        (folder / "shard-00000.h5").unlink()
        self.assertIn("is missing", muster_json("store", "info", store)["annotations"][0]["fault"])

    def test_joints_are_moved_with_the_picture(self):
        half = self.directory / "half"
        muster("ingest", "--layout", "prid2011", "--input", self.world, "--store", half,
               "--frame-size", "64x32")
        with h5py.File(self.shard(), "r") as full, h5py.File(half / "shard-00000.h5", "r") as small:
            before, after = full["frames/joints"][:], small["frames/joints"][:]
        # Two pixels become one: the border between them is its centre.
        numpy.testing.assert_allclose(after[:, :, :2], (before[:, :, :2] - 0.5) / 2, atol=1e-4)
        numpy.testing.assert_array_equal(after[:, :, 2], before[:, :, 2])

    def test_an_experiment_reaches_what_the_loader_can_do(self):
        whole = ("training.batch.sampler=TRACKLETS", "training.batch.frame_choice=ALL",
                 "training.loss.video_triplet=off")
        fixed = ("normalisation=FIXED", "mean=0.485,0.456,0.406", "deviation=0.229,0.224,0.225",
                 "colour=RGB", "interpolation=BICUBIC", "resize_height=72", "range=UNIT")
        spec = self.spec(self.SPEC.replace("batch { identities: 3 clips: 2 frames: 4 }", ""))
        for number, settings in enumerate((
                whole, [*whole, *(f"model.input.{setting}" for setting in fixed)],
                ["training.batch.identities=3", "training.batch.frame_choice=RANDOM",
                 "training.batch.short_tracklet=RANDOM_REPEATS", "data.occlusion.size=25"])):
            run = self.directory / f"run-{number}"
            muster("train", "--spec", spec, "--store", f"small={self.store}", "--run", run,
                   *(word for setting in settings for word in ("--set", setting)))
            muster("extract", "--run", run, "--store", f"small={self.store}", "--set",
                   "extraction.frames=ALL_FRAMES", "--features", self.directory / f"{number}.h5")
        for settings, told in ((["training.batch.identities=3", whole[1]],
                                "training.batch.frame_choice: the 6 clips of a batch"),
                               (["training.batch.frames=4", *whole], "training.batch.frames: has no"),
                               (["data.joints=pose"], "data.joints: has no meaning")):
            done = muster("train", "--spec", spec, "--store", f"small={self.store}", "--run",
                          self.directory / "refused",
                          *(word for setting in settings for word in ("--set", setting)), code=2)
            self.assertIn(told, done.stderr)

    def test_a_manifest_that_was_sealed_again_must_still_make_sense(self):
        copy = self.directory / "copy"
        shutil.copytree(self.store, copy)
        manifest = json.loads((copy / "manifest.json").read_text())
        del manifest["checksum"]
        for change, told in ((lambda m: m.update(frames=m["frames"] + 1), "frames is"),
                             (lambda m: m["shards"][0].update(file="../x.h5"), "shards[0].file is"),
                             (lambda m: m.update(identities=1), "identities is 1")):
            forged = json.loads(json.dumps(manifest))
            change(forged)
            (copy / "manifest.json").write_bytes(sealed(forged))
            done = subprocess.run([MUSTER, "store", "verify", copy], capture_output=True, text=True)
            self.assertIn(done.returncode, (1, 2))
            self.assertIn(f"{copy}/manifest.json: {told}", done.stderr)

    def test_h5dump_reads_what_h5py_reads(self):
        with h5py.File(self.shard(), "r") as shard:
            for name in ("tracklets/identity", "tracklets/role", "frames/crc32c"):
                text = subprocess.run(["h5dump", "-y", "-d", name, self.shard()], check=True,
                                      capture_output=True, text=True).stdout
                data = text[text.index("DATA {") + 6:text.rindex("}")].split("}")[0]
                self.assertEqual([int(value) for value in data.replace(",", " ").split()],
                                 shard[name][:].tolist())

    def test_a_repacked_copy_still_trains_to_the_same_losses_and_says_so(self):
        repacked = self.directory / "repacked"
        shutil.copytree(self.store, repacked)
        subprocess.run(["h5repack", "-l", "frames/flow:CHUNK=64x64x48x2", "-l",
                        "frames/jpeg:CHUNK=65536",
                        "-f", "GZIP=4", self.shard(), repacked / "shard-00000.h5"], check=True,
                       capture_output=True)
        with h5py.File(repacked / "shard-00000.h5", "r") as shard:
            self.assertEqual(shard["frames/jpeg"].compression, "gzip")
            self.assertEqual(shard["frames/flow"].compression, "gzip")
        quiet = self.train("plain").stderr
        told = muster("train", "--spec", self.spec(), "--store", f"small={repacked}", "--run",
                      self.directory / "packed").stderr
        losses = [[line["loss"] for line in progress_of(self.directory / run)]
                  for run in ("plain", "packed")]
        self.assertEqual(losses[0], losses[1])
        self.assertNotIn("repacked", quiet)
        self.assertIn("repacked", told)
        self.assertIn("slower", told)
        self.assertTrue(muster_json("store", "info", repacked)["repacked_shards"])


if __name__ == "__main__":
    unittest.main()
