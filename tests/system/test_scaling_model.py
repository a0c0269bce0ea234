"""benchmarks/scaling against closed forms."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

SCALING = pathlib.Path(os.environ["MUSTER_SOURCE_DIR"]) / "benchmarks" / "scaling"
sys.path.insert(0, str(SCALING))
sys.dont_write_bytecode = True
from step_model import Cluster, Link, Work, exposed_seconds, step_on, stops_at, table  # noqa: E402

FREE = Cluster(8, Link(0, float("inf")), Link(0, float("inf")))


class MessageTest(unittest.TestCase):
    def test_ring_of_two_moves_the_buffer_once_each_way(self):
        self.assertAlmostEqual(Link(1e-3, 1e6).ring(2, 5e6), 2e-3 + 5)

    def test_one_rank_costs_nothing(self):
        cluster = Cluster(8, Link(1, 1), Link(1, 1))
        self.assertEqual(cluster.all_reduce(1, 100), 0)
        self.assertEqual(cluster.all_gather(1, 100), 0)

    def test_hierarchy_is_its_three_parts(self):
        cluster = Cluster(4, Link(1e-6, 100e9), Link(1e-5, 10e9))
        size = 8e9
        in_node = 2 * (3 * 1e-6 + 3 / 4 * size / 100e9)  # reduce-scatter and all-gather
        between = 2 * (1 * 1e-5 + 1 / 2 * size / 4 / 10e9)
        self.assertAlmostEqual(cluster.all_reduce(8, size), in_node + between)

    def test_small_messages_between_many_nodes_go_by_tree(self):
        cluster = Cluster(1, Link(0, float("inf")), Link(1e-5, 1e12))
        self.assertAlmostEqual(cluster.all_reduce(1024, 8), 2 * 10 * 1e-5 + 16 / 1e12)

    def test_gather_is_half_an_all_reduce(self):
        cluster = Cluster(8, Link(1e-6, 1e9), Link(0, 1))
        self.assertAlmostEqual(2 * cluster.all_gather(8, 1e6), cluster.all_reduce(8, 1e6))


class OverlapTest(unittest.TestCase):
    """Ring of 2 without latency: a bucket of B bytes takes B / bandwidth."""

    CLUSTER = Cluster(2, Link(0, 1.0), Link(0, 1.0))

    def exposed(self, buckets, backward, **other):
        return exposed_seconds(self.CLUSTER, 2, Work(1, 1, backward, 0, buckets=buckets, **other),
                               backward)

    def test_short_messages_expose_the_last_bucket(self):
        self.assertAlmostEqual(self.exposed((1.0,) * 5, 10), 1)

    def test_long_messages_queue_behind_the_first(self):
        # The first is ready at 10 / 5; five of 3 seconds end at 2 + 15.
        self.assertAlmostEqual(self.exposed((3.0,) * 5, 10), 2 + 15 - 10)

    def test_without_overlap_all_is_exposed(self):
        self.assertAlmostEqual(self.exposed((3.0,) * 5, 10, overlap=False), 15)

    def test_given_times_decide(self):
        self.assertAlmostEqual(self.exposed((1.0, 4.0), 10, ready=(0.1, 0.2)), 0)

    def test_no_gradients_expose_nothing(self):
        self.assertEqual(self.exposed((), 10), 0)


class TableTest(unittest.TestCase):
    def test_free_messages_scale_perfectly_while_each_gpu_keeps_its_clips(self):
        rows = table(FREE, Work(4, 1, 2, 0.5, buckets=(1e6,) * 9, statistics=(100,) * 50,
                                signature_bytes=1e6), [8, 1024])
        for row in rows:
            self.assertAlmostEqual(row["efficiency"], 1)
        self.assertIsNone(stops_at(rows))

    def test_a_batch_of_20_stops_where_ranks_have_less_than_a_clip(self):
        # One second a clip: 20 alone; 10 ranks 2 each; 16 ranks some 2; 32 ranks one, 12 of them none.
        rows = table(FREE, Work(20, 10, 10, 0), [10, 16, 20, 32], global_clips=20)
        self.assertEqual([round(row["step"], 9) for row in rows], [2, 2, 1, 1])
        for row, expected in zip(rows, [1, 20 / 2 / 16, 1, 20 / 32]):
            self.assertAlmostEqual(row["efficiency"], expected)
        self.assertEqual(stops_at(rows)["gpus"], 16)
        self.assertIn("a rank has at least one clip", stops_at(rows)["why"][0][0])
        self.assertAlmostEqual(stops_at(rows)["why"][0][1], 1)

    def test_statistics_cost_two_messages_a_layer(self):
        cluster = Cluster(8, Link(1e-5, float("inf")), Link(0, float("inf")))
        parts = step_on(cluster, 8, Work(1, 1, 1, 0, statistics=(64,) * 100), 8)
        self.assertAlmostEqual(parts["statistics"], 2 * 100 * 2 * 7 * 1e-5)

    def test_their_latency_is_named(self):
        cluster = Cluster(8, Link(1e-5, 1e12), Link(1e-4, 1e12))
        rows = table(cluster, Work(1, 0.01, 0.02, 0, statistics=(64,) * 100), [8, 64, 1024])
        self.assertIn("batch statistics", stops_at(rows)["why"][0][0])

    def test_bandwidth_is_named_and_apart_from_latency(self):
        cluster = Cluster(8, Link(0, 1e9), Link(0, 1e9))
        row = stops_at(table(cluster, Work(1, 0.01, 0.02, 0, buckets=(1e8,) * 4), [8]))
        self.assertEqual(row["why"][0][0], "bandwidth of gradients")
        self.assertAlmostEqual(row["exposed"], row["exposed_bandwidth"])

    def test_work_that_does_not_shrink_is_named(self):
        row = stops_at(table(FREE, Work(16, 1, 1, 0, fixed=1), [16], global_clips=16))
        self.assertAlmostEqual(row["step"], 1 + 1 / 16)
        self.assertIn("does not shrink", row["why"][0][0])

    def test_storage_bounds_all_together(self):
        row = table(FREE, Work(1, 0.5, 0.5, 0, clip_bytes=1e6), [8], storage_bandwidth=2e6)[0]
        self.assertAlmostEqual(row["step"], 4)
        self.assertAlmostEqual(row["data_wait"], 3)


class ProgramTest(unittest.TestCase):
    def test_numbers_that_are_given_make_the_table(self):
        done = subprocess.run(
            [sys.executable, SCALING / "scaling.py", "--forward", "1", "--backward", "2",
             "--optimizer", "0", "--clips", "4", "--parameters", "1e6", "--gpus", "8", "--node-latency",
             "0", "--node-bandwidth", "1e6", "--signature-bytes", "0", "--bucket-bytes", "4000000",
             "--json"], capture_output=True, text=True, check=True)
        row = json.loads(done.stdout)["rows"][0]
        # One bucket, ready at the end: all of 2 x 7 / 8 x 4 MB at 1 MB/s is exposed.
        self.assertAlmostEqual(row["exposed"], 7)
        self.assertAlmostEqual(row["step"], 10)
        self.assertIn("stops scaling at 8 GPUs", json.loads(done.stdout)["verdict"])

    def test_what_is_missing_is_named(self):
        done = subprocess.run([sys.executable, SCALING / "scaling.py", "--forward", "1"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--backward", done.stderr)


if __name__ == "__main__":
    unittest.main()
