"""What benchmarks/speed_table.py makes of the figures of its parts: reached or not, and why."""
import os
import pathlib
import sys
import unittest

BENCHMARKS = pathlib.Path(os.environ["MUSTER_SOURCE_DIR"]) / "benchmarks"
sys.path[:0] = [str(BENCHMARKS), str(BENCHMARKS / "communication")]
sys.dont_write_bytecode = True
import exposed  # noqa: E402
import speed_table  # noqa: E402

DDP = {"network": "trl", "size": "small", "clips": 4, "ratio": 0.9, "least": 0.8, "largest": 1.1,
       "target": 1.0, "reason": "forward +3 %", "parameters": 38e6, "batch_norms": 2, "channels": 200,
       "muster_phases": {"forward": 1, "backward": 2, "optimizer": 0.1, "last_waits": 0.001,
                         "late": 0.02}}


def a_round(**other):
    return {"step": 0.1, "exposed": 0.04, "after": 0.09, "hidden": 0.44, "beside": 1.0,
            "apart": 0.08, "norm_messages": 40, "norm_seconds": 0.0125, "waits": [0.001] * 50, **other}


class ExposedTest(unittest.TestCase):
    def rows(self, *rounds):
        return speed_table.exposed_rows(exposed.summary("trl", rounds))

    def test_at_its_targets_every_row_is_reached_and_needs_no_reason(self):
        rows = self.rows(a_round(exposed=0.05, hidden=0.5, beside=1.05, waits=[0.01] * 9))
        self.assertEqual([row["reached"] for row in rows], [True] * 4)
        self.assertEqual([row["reason"] for row in rows], [""] * 4)

    def test_the_median_round_counts(self):
        rows = self.rows(a_round(), a_round(exposed=0.9), a_round())
        self.assertTrue(rows[0]["reached"])

    def test_two_long_waits_of_a_hundred_miss_the_99th_percentile_and_one_does_not(self):
        one, two = ([0.0] * (100 - count) + [0.5] * count for count in (1, 2))
        self.assertAlmostEqual(exposed.percentile_99(one), 0.005)
        self.assertTrue(self.rows(a_round(waits=one))[3]["reached"])
        self.assertFalse(self.rows(a_round(waits=two))[3]["reached"])
        self.assertIn("2 % of them", self.rows(a_round(waits=two))[3]["reason"])

    def test_what_misses_says_how_much_of_it_waits_for_a_slower_rank(self):
        rows = self.rows(a_round(exposed=0.06, after=0.2))
        speed_table.add_waits(rows, [dict(DDP, network="stal"), DDP])
        self.assertFalse(rows[0]["reached"])
        self.assertIn("6.00 ms of a step of 100.0 ms with overlap, 20.00 ms without", rows[0]["reason"])
        self.assertIn("the last rank waits 1.00 ms and the other one 20.00 ms", rows[0]["reason"])
        self.assertEqual(rows[0]["reason"].count("the last rank"), 1)

    def test_a_step_beside_two_processes_says_what_batch_norm_waits(self):
        row = self.rows(a_round(beside=1.25))[2]
        self.assertFalse(row["reached"])
        self.assertIn("100.0 ms by 80.0 ms; batch norm's 40 sums", row["reason"])
        self.assertIn("take 12.5 ms", row["reason"])


class OtherPartsTest(unittest.TestCase):
    def test_targets_may_be_least_or_largest(self):
        row = {"path": "p", "limit": "l", "measured": 1, "bound": 1, "ratio": 1.4, "target": 1.5,
               "at_most": True, "unit": "s", "note": "n"}
        found = [row, dict(row, at_most=False), dict(row, target=0)]
        self.assertEqual([each["reached"] for each in speed_table.speed_rows("cmc", found)],
                         [True, False, True])

    def test_a_slower_step_than_the_peers_says_in_which_phase(self):
        row = next(speed_table.ddp_rows([DDP]))
        self.assertFalse(row["reached"])
        self.assertIn("forward +3 %", row["reason"])

    def test_scaling_takes_ddps_phases(self):
        row = next(speed_table.scaling_rows([DDP]))
        self.assertIn("scales to 1024 GPUs", row["measured"])


if __name__ == "__main__":
    unittest.main()
