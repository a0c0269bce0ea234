"""The synthetic worlds are worth learning and the networks learn them. Long form: all of them."""
import json
import subprocess
import unittest

from support import LONG, MUSTER, SOURCE


class LearningTest(unittest.TestCase):
    """What has to hold stands in the scripts alone; they end with 1 where it does not."""

    def run_script(self, script, *arguments):
        done = subprocess.run(["/usr/bin/python3", SOURCE / script, MUSTER, *arguments, "--json"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return json.loads(done.stdout)

    def test_trained_beats_colours_and_the_untrained_network(self):
        worlds, seeds = ("prid2011,ilids-vid", "1,2,3") if LONG else ("ilids-vid", "2")
        rows = self.run_script("tests/system/worth_learning.py", "--worlds", worlds, "--seeds",
                               seeds)
        self.assertEqual(len(rows), 6 if LONG else 1)

    def test_networks_learn_in_their_small_experiments(self):
        networks = sorted(path.stem for path in (SOURCE / "experiments/learning").iterdir())
        if not LONG:
            networks = ["cnn_rnn"]
        rows = self.run_script("benchmarks/learning/learn.py", "--networks", ",".join(networks))
        self.assertEqual([row["network"] for row in rows["rows"]], networks)


if __name__ == "__main__":
    unittest.main()
