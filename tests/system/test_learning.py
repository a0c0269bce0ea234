"""The synthetic worlds are worth learning and the network learns them. Long form: three seeds."""
import json
import subprocess
import sys
import unittest

from support import LONG, MUSTER, SOURCE


class LearningTest(unittest.TestCase):
    def measure(self, worlds, seeds):
        done = subprocess.run([sys.executable, SOURCE / "benchmarks/worth_learning/measure.py", MUSTER,
                               "--worlds", worlds, "--seeds", seeds, "--json"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_trained_beats_stripes_and_the_untrained_network(self):
        worlds, seeds = ("prid2011,ilids-vid", "1,2,3") if LONG else ("ilids-vid", "2")
        for row in self.measure(worlds, seeds):
            self.assertGreaterEqual(row["people"], 50, row)
            self.assertLess(row["stripes"], 0.5, row)
            self.assertLess(row["untrained"], 0.4, row)
            self.assertGreaterEqual(row["trained"], 0.6, row)
            self.assertGreaterEqual(row["trained"] - row["stripes"], 0.2, row)
            self.assertGreaterEqual(row["trained"] - row["untrained"], 0.2, row)


if __name__ == "__main__":
    unittest.main()
