"""Runs the programs as a user would. Everything happens in temporary directories."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

MUSTER = os.environ["MUSTER"]
SOURCE = pathlib.Path(os.environ["MUSTER_SOURCE_DIR"])
LONG = os.environ.get("MUSTER_LONG") == "yes"


def muster(*arguments, code=0, ranks=0, **options):
    """Runs muster (under mpirun with `ranks`), demands the exit code, returns what it printed."""
    command = [MUSTER, *map(str, arguments)]
    if ranks:
        command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks), *command]
        if os.geteuid() == 0:
            command.insert(1, "--allow-run-as-root")
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, **options)
    if done.returncode != code:
        raise AssertionError(f"{command} ended with {done.returncode} instead of {code}:\n"
                             f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done


def muster_json(*arguments, **options):
    return json.loads(muster(*arguments, "--json", **options).stdout)


def progress_of(run):
    with open(pathlib.Path(run) / "progress.jsonl") as lines:
        return [json.loads(line) for line in lines]


class TemporaryDirectoryTest(unittest.TestCase):
    """self.directory is a fresh directory for each test."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="muster-test-")
        self.addCleanup(holder.cleanup)
        self.directory = pathlib.Path(holder.name)


class SmallStoreTest(TemporaryDirectoryTest):
    """Also cls.world (PRID-2011 layout, synthetic) and cls.store, made once per class."""

    IDENTITIES, FRAMES = 8, 20

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="muster-test-")
        cls.addClassCleanup(holder.cleanup)
        cls.shared = pathlib.Path(holder.name)
        cls.world = cls.shared / "world"
        cls.store = cls.shared / "store"
        muster("synth", "--world", "prid2011", "--out", cls.world, "--identities", cls.IDENTITIES,
               "--frames", cls.FRAMES)
        muster("ingest", "--layout", "prid2011", "--input", cls.world, "--store", cls.store)

    SPEC = """
        name: "small"
        data { train: "small" test: "small" protocol: "random-half" }
        model { stsrn { width: 0.25 features: 32 } }
        training {
          steps: 2
          batch { identities: 3 clips: 2 frames: 4 }
          loss { identity {} video_triplet {} }
          optimizer { sgd {} learning_rate: 0.01 }
        }
    """

    def spec(self, text=SPEC):
        path = self.directory / "spec.textproto"
        path.write_text(text)
        return path

    def train(self, run, *arguments, **options):
        return muster("train", "--spec", self.spec(), "--store", f"small={self.store}", "--run",
                      self.directory / run, *arguments, **options)
