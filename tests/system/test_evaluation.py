"""CMC and mAP of feature files beside numpy, and what scoring costs in memory."""
import json
import os
import subprocess
import unittest

import h5py
import numpy

from support import MUSTER, SmallStoreTest, TemporaryDirectoryTest, muster, muster_json

QUERY, GALLERY, DISTRACTOR, JUNK = 1, 2, 4, 8


def mars_like(rows, variants, features, coarse, seed=0):
    """Queries are gallery too, as in MARS; a coarse grid of values makes many distances equal."""
    random = numpy.random.default_rng(seed)
    values = random.normal(size=(rows, variants, features))
    if coarse:
        values = numpy.round(values)
    identity = random.integers(1, 25, rows)
    identity[::7], identity[3::11] = 0, -1
    role = numpy.full(rows, GALLERY)
    role[identity == 0] |= DISTRACTOR
    role[identity == -1] |= JUNK
    role[(random.random(rows) < 0.2) & (identity > 0)] |= QUERY
    return {"features": values.astype("float32"), "identity": identity.astype("int32"),
            "camera": random.integers(1, 5, rows).astype("int32"), "role": role.astype("int32")}


def write(path, table):
    with h5py.File(path, "w") as file:
        for name, values in table.items():
            file[name] = values


def distances(query, gallery, metric):
    """[gallery] of one [variants, features] to [gallery, variants, features], as they rank."""
    def vectors(values):
        wide = values.astype("float64")
        if metric == "cosine":
            norm = numpy.maximum(numpy.sqrt((wide ** 2).sum(-1, keepdims=True)), 1e-12)
            wide = (wide / norm).astype("float32").astype("float64")
        return wide
    differences = vectors(gallery) - vectors(query[None])
    return numpy.sqrt((differences ** 2).sum(-1)).sum(-1).astype("float32")


def naive(table, metric, protocol):
    """CMC and mAP in plain loops over queries, as docs/guides/protocols.md counts."""
    role, identity, camera = table["role"], table["identity"], table["camera"]
    kept = (role & (GALLERY | DISTRACTOR)) != 0
    if protocol == "mars-torchreid":
        kept &= (role & (QUERY | JUNK)) == 0
    kept &= (role & JUNK) == 0
    gallery = numpy.flatnonzero(kept)
    firsts, precisions, skipped = [], [], 0
    for query in numpy.flatnonzero(role & QUERY):
        seen = gallery[(identity[gallery] != identity[query]) | (camera[gallery] != camera[query])]
        far = distances(table["features"][query], table["features"][seen], metric)
        right = (identity[seen] == identity[query])[numpy.argsort(far, kind="stable")]
        ranks = numpy.flatnonzero(right)
        if not len(ranks):
            skipped += 1
            continue
        found = numpy.arange(len(ranks))
        after = (found + 1) / (ranks + 1)
        if protocol == "mars":
            before = numpy.where(ranks == 0, 1, found / numpy.maximum(ranks, 1))
            after = (after + before) / 2
        firsts.append(ranks[0])
        precisions.append(after.mean())
    queries = len(firsts) + (skipped if protocol == "mars" else 0)
    firsts = numpy.array(firsts)
    return {"rank": {str(k): (firsts < k).sum() / queries for k in (1, 5, 10, 20)},
            "map": sum(precisions) / queries, "queries": queries, "queries_without_match": skipped}


class NumpyTest(TemporaryDirectoryTest):
    def expect_numpy(self, table, metric, protocol, *options):
        path = self.directory / "features.h5"
        write(path, table)
        scored = muster_json("score", "--features", path, "--metric", metric, "--protocol",
                             protocol, *options)
        expected = naive(table, metric, protocol)
        self.assertEqual(scored["rank"], expected["rank"])
        self.assertAlmostEqual(scored["map"], expected["map"], places=14)
        for name in ("queries", "queries_without_match"):
            self.assertEqual(scored[name], expected[name])

    def test_both_readings_of_mars(self):
        for seed, coarse in enumerate([True, False]):
            table = mars_like(700, 1, 6, coarse, seed)
            for protocol in ("mars", "mars-torchreid"):
                for metric in ("euclidean", "cosine"):
                    with self.subTest(coarse=coarse, protocol=protocol, metric=metric):
                        self.expect_numpy(table, metric, protocol)

    def test_distances_of_variants_add(self):
        """Eight crops and their mirrors; whole numbers, whose roots add up to equal sums often."""
        for coarse in (True, False):
            table = mars_like(400, 16, 3, coarse, 3)
            for metric in ("euclidean", "cosine"):
                self.expect_numpy(table, metric, "mars", "--threads", 2)

    def test_one_gallery_tracklet_per_person(self):
        table = mars_like(200, 2, 4, True, 4)
        table["identity"] = (numpy.arange(200) % 100).astype("int32")
        table["camera"] = numpy.repeat([1, 2], 100).astype("int32")
        table["role"] = numpy.repeat([QUERY, GALLERY], 100).astype("int32")
        self.expect_numpy(table, "euclidean", "random-half")
        scored = muster_json("score", "--features", self.directory / "features.h5")
        reciprocal = naive(table, "euclidean", "random-half")["map"]
        self.assertAlmostEqual(scored["map"], reciprocal, places=14)

    def test_persons_whose_features_are_the_same(self):
        table = mars_like(300, 1, 5, False, 5)
        table["features"][:] = table["features"][:1]
        self.expect_numpy(table, "euclidean", "mars")


def reciprocal_distances(vectors, queries, k1, k2, weight):
    """Equations (2) to (12) of Zhong et al. 2017, with dense matrices: [queries, others]."""
    count = len(vectors)
    far = numpy.stack([distances(vectors[i], vectors, "euclidean") for i in range(count)])
    order = numpy.argsort(far, axis=1, kind="stable")
    wide = numpy.sqrt(((vectors[:, None].astype(float) - vectors[None].astype(float)) ** 2)
                      .sum(-1)).sum(-1)
    d = (wide / wide.max(axis=1, keepdims=True)) ** 2

    def mutual(p, k):
        return {g for g in order[p, :k + 1] if p in order[g, :k + 1]}

    encoded = numpy.zeros((count, count))
    for p in range(count):
        own = mutual(p, k1)
        expanded = set(own)
        for q in own:
            theirs = mutual(q, round(k1 / 2))
            if len(own & theirs) >= 2 / 3 * len(theirs):
                expanded |= theirs
        for g in expanded:
            encoded[p, g] = numpy.exp(-d[p, g])
    encoded = numpy.stack([encoded[order[p, :k2]].mean(axis=0) for p in range(count)])
    result = numpy.zeros((queries, count - queries))
    for p in range(queries):
        for g in range(queries, count):
            smaller = numpy.minimum(encoded[p], encoded[g]).sum()
            larger = numpy.maximum(encoded[p], encoded[g]).sum()
            result[p, g - queries] = (1 - weight) * (1 - smaller / larger) + weight * d[p, g]
    return result


class ReciprocalTest(TemporaryDirectoryTest):
    def expected_precision(self, table, k1, k2, weight):
        role = table["role"]
        queries = numpy.flatnonzero(role & QUERY)
        gallery = numpy.flatnonzero((role & JUNK) == 0)
        nodes = numpy.concatenate([queries, gallery])
        far = reciprocal_distances(table["features"][nodes], len(queries), k1, k2, weight)
        total = 0
        for i, query in enumerate(queries):
            same = table["identity"][gallery] == table["identity"][query]
            seen = ~(same & (table["camera"][gallery] == table["camera"][query]))
            right = same[seen][numpy.argsort(far[i, seen].astype("float32"), kind="stable")]
            ranks = numpy.flatnonzero(right)
            if len(ranks):
                found = numpy.arange(len(ranks))
                before = numpy.where(ranks == 0, 1, found / numpy.maximum(ranks, 1))
                total += (((found + 1) / (ranks + 1) + before) / 2).mean()
        return total / len(queries)

    def test_equals_the_papers_equations(self):
        for variants, (k1, k2, weight) in [(1, (20, 6, 0.3)), (2, (6, 3, 0.5)), (1, (4, 1, 0)),
                                           (1, (5, 4, 1))]:
            table = mars_like(180, variants, 5, False, k1)
            path = self.directory / "features.h5"
            path.unlink(missing_ok=True)
            write(path, table)
            settings = [part for name, value in [("k1", k1), ("k2", k2), ("lambda", weight)]
                        for part in ("--set", f"scoring.k_reciprocal.{name}={value}")]
            scored = muster_json("score", "--features", path, "--protocol", "mars", *settings)
            self.assertAlmostEqual(scored["map"], self.expected_precision(table, k1, k2, weight),
                                   places=6, msg=f"{k1} {k2} {weight}")
            if weight == 1:  # the original order
                plain = muster_json("score", "--features", path, "--protocol", "mars")
                self.assertAlmostEqual(scored["map"], plain["map"], places=6)

    def test_more_neighbours_than_there_are_is_all_of_them(self):
        path = self.directory / "features.h5"
        write(path, mars_like(90, 1, 4, False))
        most, enough = (muster_json("score", "--features", path, "--protocol", "mars", "--set",
                                    f"scoring.k_reciprocal.k1={k1}") for k1 in (2147483647, 10000))
        self.assertEqual(most["map"], enough["map"])

    def test_settings_out_of_range_or_reach_are_refused(self):
        path = self.directory / "features.h5"
        write(path, mars_like(60, 1, 3, False))
        for setting, part in [("k1=0", "k1: 0 is not at least 1"), ("lambda=2", "in [0, 1]")]:
            error = muster("score", "--features", path, "--protocol", "mars", "--set",
                           f"scoring.k_reciprocal.{setting}", code=2).stderr
            self.assertIn(part, error)
        error = muster("score", "--features", path, "--metric", "xqda", "--set",
                       "scoring.k_reciprocal.k1=3", code=2).stderr
        self.assertIn("does not reach metric xqda; it is for euclidean and cosine", error)


class MemoryTest(TemporaryDirectoryTest):
    ROWS, QUERIES, VARIANTS, FEATURES = 7000, 700, 16, 1536

    def peak_bytes(self, *arguments):
        process = subprocess.Popen([MUSTER, *map(str, arguments)], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        return usage.ru_maxrss * 1024

    def write_large_file(self, path):
        """688 MB, made in blocks: this process's own memory counts in its children's peak."""
        random = numpy.random.default_rng(0)
        noise = random.normal(size=(64, self.VARIANTS, self.FEATURES)).astype("float32")
        with h5py.File(path, "w") as file:
            shape = (self.ROWS, self.VARIANTS, self.FEATURES)
            features = file.create_dataset("features", shape, "float32")
            for first in range(0, self.ROWS, 64):
                count = min(64, self.ROWS - first)
                features[first:first + count] = noise[:count] + first % 6400 / 100
            rows = numpy.arange(self.ROWS)
            file["identity"] = rows % 500
            file["camera"] = rows // 500
            file["role"] = numpy.where(rows < self.QUERIES, QUERY | GALLERY, GALLERY)
        return path.stat().st_size

    def test_features_larger_than_memory_may_be(self):
        """Of MARS with 8 crops and their mirrors; the limit is 1 GiB, and there 1.5 x as many rows
        come through the same blocks."""
        path = self.directory / "large.h5"
        size = self.write_large_file(path)
        self.assertGreater(size, 680e6)
        small = self.directory / "small.h5"
        write(small, mars_like(100, 1, 4, False))
        idle = self.peak_bytes("score", "--features", small)
        peak = self.peak_bytes("score", "--features", path, "--threads", 2)
        print(f"peak {peak >> 20} MiB, of a small file {idle >> 20} MiB", flush=True)
        self.assertLess(peak, 768 << 20)
        self.assertLess(peak - idle, 512 << 20)


class ExtractionOnRanksTest(SmallStoreTest):
    def extract(self, name, *arguments, **options):
        path = self.directory / name
        muster("extract", "--run", self.directory / "run", "--store", f"small={self.store}",
               "--features", path, *arguments, **options)
        return path

    def test_the_number_of_ranks_does_not_change_a_byte(self):
        self.train("run")
        alone = self.extract("alone.h5", "--set", "extraction.crops=2").read_bytes()
        for ranks in (1, 2, 3, 11):  # of 8 tracklets
            together = self.extract("together.h5", "--set", "extraction.crops=2", ranks=ranks)
            self.assertEqual(together.read_bytes(), alone, f"{ranks} ranks")
            self.assertEqual([path.name for path in self.directory.iterdir()
                              if path.name.startswith(".")], [])

    def test_probe_and_gallery_have_lengths_of_their_own(self):
        self.train("run")
        rows = {}
        for name, settings in {"3": ["max_frames=3"], "9": ["max_frames=9"],
                               "3 and 9": ["probe_frames=3", "gallery_frames=9"],
                               "3 and most": ["probe_frames=3", "max_frames=9"]}.items():
            path = self.extract("some.h5", *[part for setting in settings
                                             for part in ("--set", f"extraction.{setting}")])
            with h5py.File(path) as file:
                rows[name], role = file["features"][:], file["role"][:]
        probe = (role & QUERY) != 0
        self.assertTrue(probe.any() and not probe.all())
        for name in ("3 and 9", "3 and most"):
            self.assertTrue((rows[name][probe] == rows["3"][probe]).all())
            self.assertTrue((rows[name][~probe] == rows["9"][~probe]).all())
        self.assertFalse((rows["3"] == rows["9"]).all())
        error = muster("extract", "--run", self.directory / "run", "--store", f"small={self.store}",
                       "--features", self.directory / "f.h5", "--set",
                       "extraction.probe_frames=-1", code=2).stderr
        self.assertIn("extraction.probe_frames: -1 is negative", error)


class PairwiseTest(SmallStoreTest):
    """SRM judges every pair by a network pass."""

    IDENTITIES = 16

    SPEC = """
        name: "small"
        data { train: "small" test: "small" protocol: "random-half" }
        model { tam_srm { width: 0.125 input_size: 67 feature_size: 16 attention_size: 8
                          recurrent_size: 16 metric_channels: 8 metric_hidden: 16 frames: 2
                          ranking: METRIC_ONLY } }
        training {
          steps: 3
          batch { identities: 3 clips: 2 frames: 2 }
          loss { identity {} pair {} }
          optimizer { sgd {} learning_rate: 0.01 }
        }
        extraction { max_frames: 2 fixed_length: true }
        scoring { metric: MODEL }
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        spec = cls.shared / "spec.textproto"
        spec.write_text(cls.SPEC)
        cls.run_of_srm, cls.features = cls.shared / "run", cls.shared / "features.h5"
        muster("train", "--spec", spec, "--store", f"small={cls.store}", "--run", cls.run_of_srm)
        muster("extract", "--run", cls.run_of_srm, "--store", f"small={cls.store}", "--features",
               cls.features)

    def score(self, *arguments, **options):
        return muster("score", "--features", self.features, "--run", self.run_of_srm, "--json",
                      *arguments, **options)

    def left_over(self):
        return list(self.shared.glob("*.partial-*"))

    def test_ranks_share_the_pairs_and_say_the_same(self):
        alone = self.score().stdout
        for ranks in (2, 3):
            self.assertEqual(self.score(ranks=ranks).stdout, alone)
        self.assertEqual(self.left_over(), [])

    def test_a_killed_scoring_goes_on(self):
        expected = self.score().stdout
        partial = self.directory / "kept"
        # Fails where the record goes only after everything has been compared.
        process = subprocess.Popen([MUSTER, "score", "--features", self.features, "--run",
                                    self.run_of_srm, "--partial", partial],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(partial.glob("*/block-*"))) < 5:
            pass
        process.kill()
        process.wait()
        blocks = sorted(partial.glob("*/block-*"))
        self.assertGreaterEqual(len(blocks), 5)
        stamps = {block: block.stat().st_mtime_ns for block in blocks}
        damaged = blocks[2]
        content = bytearray(damaged.read_bytes())
        content[0] ^= 1
        damaged.write_bytes(content)
        self.assertGreater(len(stamps), 0)
        done = self.score("--partial", partial, ranks=2)
        self.assertIn(f"goes on with {len(blocks) - 1} of 64 blocks", done.stderr)
        self.assertEqual(done.stdout, expected)
        self.assertEqual(list(partial.iterdir()), [])

    def test_other_settings_do_not_take_these_blocks(self):
        partial = self.directory / "kept"
        stale = partial / "0123456789abcdef"
        stale.mkdir(parents=True)
        self.score("--partial", partial)
        self.assertEqual(list(partial.iterdir()), [stale])

    def test_candidates_stand_first(self):
        """All as candidates is the model's order, one is nearly that of the features."""
        by_model = json.loads(self.score().stdout)
        with h5py.File(self.features) as file:
            table = {name: file[name][:] for name in ("features", "identity", "camera", "role")}
        by_features = naive(table, "euclidean", "random-half")
        for ranks in (0, 2):
            all_of_them = json.loads(
                self.score("--set", "scoring.rerank_candidates=99", ranks=ranks).stdout)
            self.assertEqual(all_of_them["map"], by_model["map"])
            one = json.loads(self.score("--set", "scoring.rerank_candidates=1", ranks=ranks).stdout)
            self.assertAlmostEqual(one["map"], by_features["map"], places=14)
        few = json.loads(self.score("--set", "scoring.rerank_candidates=3").stdout)
        # Who is among the first three stays there.
        self.assertEqual(self.score("--set", "scoring.rerank_candidates=5").returncode, 0)
        self.assertAlmostEqual(few["rank"]["5"], by_features["rank"]["5"], places=14)

    def test_what_cannot_be_is_refused_in_a_line(self):
        for arguments, part in [
                (["--set", "scoring.rerank_candidates=-1"], "rerank_candidates: -1 is negative"),
                (["--set", "scoring.rerank_candidates=3", "--metric", "euclidean"],
                 "does not reach metric euclidean"),
                (["--set", "scoring.rerank_candidates=3", "--set", "model.tam_srm.rerank=3"],
                 "already let it re-rank")]:
            error = self.score(*arguments, code=2).stderr
            self.assertIn(part, error)


if __name__ == "__main__":
    unittest.main()
