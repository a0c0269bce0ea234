"""The synthetic worlds are worth learning and the network learns them. Long form: three seeds."""
import json
import subprocess
import sys
import unittest

from support import LONG, MUSTER, SOURCE


class LearningTest(unittest.TestCase):
    def test_trained_beats_colours_and_the_untrained_network(self):
        worlds, seeds = ("prid2011,ilids-vid", "1,2,3") if LONG else ("ilids-vid", "2")
        done = subprocess.run([sys.executable, SOURCE / "tests/system/worth_learning.py", MUSTER,
                               "--worlds", worlds, "--seeds", seeds, "--json"],
                              capture_output=True, text=True)
        # What has to hold stands in the script alone; it ends with 1 where it does not.
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.assertEqual(len(json.loads(done.stdout)), 6 if LONG else 1)


if __name__ == "__main__":
    unittest.main()
