"""From a store to a report, and what other programs bring along."""
import csv
import io
import json
import os
import pathlib
import socket
import subprocess
import time
import unittest
import urllib.parse
import urllib.request

import h5py
import numpy

from support import (MUSTER, SOURCE, SmallStoreTest, TemporaryDirectoryTest, muster, muster_json,
                     progress_of)


class ScoreTest(TemporaryDirectoryTest):
    """Features that another program wrote."""

    def write(self, name, features, identity, camera, role):
        path = self.directory / name
        with h5py.File(path, "w") as file:
            file["features"] = numpy.asarray(features, dtype="float32")
            file["identity"] = numpy.asarray(identity, dtype="int32")
            file["camera"] = numpy.asarray(camera, dtype="int32")
            file["role"] = numpy.asarray(role, dtype="int32")
        return path

    def test_cmc_and_map_equal_a_naive_computation(self):
        random = numpy.random.default_rng(7)
        people, copies = 30, 3
        identity = numpy.repeat(numpy.arange(people), copies)
        camera = numpy.tile([1, 2, 2], people)
        role = numpy.tile([1, 2, 2], people)
        centre = random.normal(size=(people, 8))
        features = centre[identity] + random.normal(scale=1.2, size=(people * copies, 8))
        result = muster_json("score", "--features",
                             self.write("f.h5", features, identity, camera, role))
        features = features.astype("float32").astype("float64")
        first, precision = [], []
        for query in numpy.flatnonzero(role == 1):
            gallery = numpy.flatnonzero(role == 2)
            distance = numpy.sqrt(((features[gallery] - features[query])**2).sum(1))
            right = identity[gallery[numpy.argsort(distance, kind="stable")]] == identity[query]
            places = numpy.flatnonzero(right)
            first.append(places[0])
            precision.append(numpy.mean([(k + 1) / (p + 1) for k, p in enumerate(places)]))
        for rank in (1, 5, 10, 20):
            self.assertAlmostEqual(result["rank"][str(rank)],
                                   numpy.mean([f < rank for f in first]), places=12)
        self.assertAlmostEqual(result["map"], numpy.mean(precision), places=12)
        self.assertEqual(result["queries"], people)
        self.assertEqual(result["gallery"], 2 * people)

    def test_equal_distances_rank_in_file_order(self):
        path = self.write("f.h5", [[0], [1], [1]], [5, 5, 6], [1, 2, 2], [1, 2, 2])
        self.assertEqual(muster_json("score", "--features", path)["rank"]["1"], 1.0)
        path = self.write("g.h5", [[0], [1], [1]], [5, 6, 5], [1, 2, 2], [1, 2, 2])
        self.assertEqual(muster_json("score", "--features", path)["rank"]["1"], 0.0)

    def mars_like(self):
        """Queries (one per person and camera), gallery, distractors 0 and junk -1, in odd order."""
        random = numpy.random.default_rng(11)
        rows = [(person, camera, 2 | (copy == 0)) for person in range(1, 21)
                for camera in random.choice(4, size=3, replace=False) + 1 for copy in range(2)]
        rows += [(99, 1, 3)]  # in one camera only: without a match
        rows += [(0, random.integers(1, 5), 2 | 4) for _ in range(30)]
        rows += [(-1, random.integers(1, 5), 2 | 8) for _ in range(20)]
        identity, camera, role = random.permutation(numpy.array(rows)).T
        centre = random.normal(size=(100, 6))
        features = centre[identity] + random.normal(scale=0.8, size=(len(rows), 6))
        features[identity < 1] = random.normal(size=(numpy.sum(identity < 1), 6))
        return features.astype("float32"), identity, camera, role

    @staticmethod
    def official_mars(features, identity, camera, role):
        """Recall and precision are followed item by item, as the authors of MARS do it."""
        curves, precisions = [], []
        for query in numpy.flatnonzero(role & 1):
            distance = ((features.astype(float) - features[query])**2).sum(1)
            same = identity == identity[query]
            ignored = (identity == -1) | (same & (camera == camera[query]))
            good = int(numpy.sum(same & ~ignored))
            recall, precision, area, seen, right = 0.0, 1.0, 0.0, 0, 0
            curve = numpy.zeros(len(features))
            for item in numpy.argsort(distance, kind="stable"):
                if ignored[item] or not good:
                    continue
                seen += 1
                right += same[item]
                area += (right / good - recall) * (precision + right / seen) / 2
                recall, precision = right / good, right / seen
                if right:
                    curve[seen - 1] = 1
            curves.append(numpy.maximum.accumulate(curve))
            precisions.append(area)
        return numpy.mean(curves, axis=0), numpy.mean(precisions)

    @staticmethod
    def torchreids_mars(features, identity, camera, role):
        gallery = numpy.flatnonzero(((role & 2) != 0) & ((role & 1) == 0) & (identity != -1))
        curves, precisions = [], []
        for query in numpy.flatnonzero(role & 1):
            distance = ((features[gallery].astype(float) - features[query])**2).sum(1)
            order = gallery[numpy.argsort(distance, kind="stable")]
            order = order[(identity[order] != identity[query]) | (camera[order] != camera[query])]
            right = identity[order] == identity[query]
            if right.any():
                share = numpy.cumsum(right) / numpy.arange(1, len(right) + 1)
                precisions.append((share * right).sum() / right.sum())
                curves.append(numpy.pad(numpy.cumsum(right) > 0, (0, len(features) - len(right)),
                                        mode="edge"))
        return numpy.mean(curves, axis=0), numpy.mean(precisions), len(gallery), len(curves)

    def test_one_file_is_scored_as_both_readings_of_mars(self):
        rows = self.mars_like()
        identity, role = rows[1], rows[3]
        path = self.write("mars.h5", *rows)
        with h5py.File(path, "a") as file:
            file.attrs["facts"] = numpy.bytes_(json.dumps({"protocol": "mars"}))
        official = muster_json("score", "--features", path)
        self.assertEqual(official, muster_json("score", "--features", path, "--protocol", "mars"))
        torchreid = muster_json("score", "--features", path, "--protocol", "mars-torchreid")

        curve, precision = self.official_mars(*rows)
        self.assertEqual(official["average_precision"], "trapezoid")
        self.assertEqual(official["gallery"], len(identity))
        self.assertEqual(official["queries"], numpy.sum(role & 1))
        self.assertEqual(official["queries_without_match"], 1)
        self.assertAlmostEqual(official["map"], precision, places=12)
        for rank in (1, 5, 10, 20):
            self.assertAlmostEqual(official["rank"][str(rank)], curve[rank - 1], places=12)

        curve, precision, gallery, queries = self.torchreids_mars(*rows)
        self.assertEqual(torchreid["average_precision"], "rectangle")
        self.assertEqual(torchreid["gallery"], gallery)
        self.assertEqual(torchreid["queries"], queries)
        self.assertAlmostEqual(torchreid["map"], precision, places=12)
        for rank in (1, 5, 10, 20):
            self.assertAlmostEqual(torchreid["rank"][str(rank)], curve[rank - 1], places=12)
        self.assertNotAlmostEqual(official["map"], torchreid["map"], places=3)

    def test_protocols_are_checked(self):
        path = self.write("f.h5", [[0], [1]], [5, 5], [1, 2], [1, 2])
        error = muster("score", "--features", path, "--protocol", "mars-torchred", code=2).stderr
        self.assertIn("did you mean 'mars-torchreid'?", error)
        with h5py.File(path, "a") as file:
            file.attrs["facts"] = numpy.bytes_(json.dumps({"protocol": "mars-torchreid"}))
        error = muster("score", "--features", path, "--protocol", "mars", code=2).stderr
        self.assertIn("extracted under mars-torchreid", error)
        with h5py.File(path, "a") as file:
            file.attrs["facts"] = numpy.bytes_(json.dumps({"protocol": "of-tomorrow"}))
        error = muster("score", "--features", path, code=2).stderr
        self.assertIn(f"protocol of {path} 'of-tomorrow'", error)

    def test_faulty_files_are_named(self):
        path = self.directory / "f.h5"
        self.assertIn(str(path), muster("score", "--features", path, code=2).stderr)
        path.write_bytes(b"nothing")
        self.assertIn(str(path), muster("score", "--features", path, code=2).stderr)
        with h5py.File(path, "w") as file:
            file["features"] = numpy.zeros((2, 2), dtype="float32")
        self.assertIn("identity", muster("score", "--features", path, code=2).stderr)
        path = self.write("nan.h5", [[numpy.nan], [1]], [1, 1], [1, 2], [1, 2])
        self.assertIn("not finite", muster("score", "--features", path, code=2).stderr)
        for name, features, role, message in [
                ("none.h5", [[1], [1]], [1, 2], "no query has a match"),
                ("gallery.h5", [[1], [1]], [2, 2], "has no row with the query role"),
                ("queries.h5", [[1], [1]], [1, 1], "has no row with the gallery role"),
                ("narrow.h5", [[], []], [1, 2], "no features per row")]:
            path = self.write(name, features, [1, 2], [1, 2], role)
            error = muster("score", "--features", path, code=2).stderr
            self.assertIn(f"muster: {path}: ", error)
            self.assertIn(message, error)

    def test_facts_as_h5py_writes_them(self):
        path = self.write("f.h5", [[0], [1]], [5, 5], [1, 2], [1, 2])
        result = self.directory / "result.json"
        for facts in ['{"method": "mine", "split": "3"}', '{"method": "mine", "split": 3}']:
            with h5py.File(path, "a") as file:
                file.attrs["facts"] = facts
            muster("score", "--features", path, "--result", result)
            record = json.loads(result.read_text())
            self.assertEqual((record["method"], record["split"]), ("mine", 3))
        for split in ["three", "-1", "3.5", "99999999999"]:
            with h5py.File(path, "a") as file:
                file.attrs["facts"] = json.dumps({"split": split})
            error = muster("score", "--features", path, code=2).stderr
            self.assertIn(f"{path}: fact 'split' is '{split}', not a whole number", error)
        with h5py.File(path, "a") as file:
            file.attrs["facts"] = ["two", "strings"]
        self.assertIn(f"{path}: attribute 'facts' is not one string",
                      muster("score", "--features", path, code=2).stderr)

    def test_the_metric_is_the_one_asked_for_or_noted_in_the_file(self):
        # Nearest to the query: row 1 by distance, row 2 (the right one) by angle.
        path = self.write("f.h5", [[1, 0], [1, 1], [9, 1]], [5, 6, 5], [1, 2, 2], [1, 2, 2])

        def first(*arguments):
            result = muster_json("score", "--features", path, *arguments)
            return result["metric"], result["rank"]["1"]

        self.assertEqual(first(), ("euclidean", 0))
        self.assertEqual(first("--metric", "cosine"), ("cosine", 1))
        with h5py.File(path, "a") as file:
            file.attrs["facts"] = '{"metric": "cosine"}'
        self.assertEqual(first(), ("cosine", 1))
        self.assertEqual(first("--metric", "euclidean"), ("euclidean", 0))
        self.assertIn("did you mean 'cosine'?",
                      muster("score", "--features", path, "--metric", "cosin", code=2).stderr)
        with h5py.File(path, "a") as file:
            file.attrs["facts"] = '{"metric": "manhattan"}'
        self.assertIn(f"{path}: metric 'manhattan' is not known",
                      muster("score", "--features", path, code=2).stderr)


class ReportTest(SmallStoreTest):
    def workspace_with_result(self):
        workspace = self.directory / "workspace"
        (workspace / "stores").mkdir(parents=True)
        (workspace / "stores" / "small").symlink_to(self.store)
        self.train("run", ranks=2)
        features = self.directory / "features.h5"
        muster("extract", "--run", self.directory / "run", "--store", f"small={self.store}",
               "--features", features)
        muster("score", "--features", features, "--run", self.directory / "run", "--result",
               workspace / "results" / "small.json")
        return workspace

    def test_table_holds_what_score_printed(self):
        workspace = self.workspace_with_result()
        measured = muster_json("score", "--features", self.directory / "features.h5")
        muster("report", self.spec(), "--workspace", workspace, "--out", self.directory / "out")
        rows = list(csv.DictReader(io.StringIO((self.directory / "out/report.csv").read_text())))
        self.assertEqual(len(rows), 1)
        self.assertEqual(rows[0]["source"], "measured")
        self.assertAlmostEqual(float(rows[0]["rank1"]), 100 * measured["rank"]["1"], delta=0.06)
        self.assertAlmostEqual(float(rows[0]["map"]), 100 * measured["map"], delta=0.06)
        page = (self.directory / "out/report.html").read_text()
        self.assertIn("<svg", page)
        self.assertIn("ynthetic", page)
        self.assertNotIn("http://", page.replace("http://www.w3.org", ""))

    def test_the_experiments_metric_reaches_scores_and_report(self):
        workspace, run = self.directory / "workspace", self.directory / "run"
        features, record = self.directory / "features.h5", workspace / "results" / "small.json"
        workspace.mkdir()
        cosine = ["--set", "scoring.metric=COSINE"]
        self.train("run", *cosine)
        muster("extract", "--run", run, "--store", f"small={self.store}", "--features", features)
        self.assertEqual(muster_json("score", "--features", features)["metric"], "cosine")

        def cells(metric, *settings):
            muster("score", "--features", features, "--run", run, "--result", record, *metric)
            return muster_json("report", self.spec(), "--workspace", workspace, "--out",
                               self.directory / "out", *settings)["cells"]

        self.assertEqual(cells([], *cosine), 1)
        page = (self.directory / "out/report.html").read_text()
        self.assertIn("<dt>metric</dt><dd>cosine</dd>", page)
        self.assertIn("metric: COSINE", page)
        self.assertEqual(cells([]), 0)
        self.assertEqual(cells(["--metric", "euclidean"]), 1)
        page = (self.directory / "out/report.html").read_text()
        self.assertIn("<dt>metric</dt><dd>euclidean</dd>", page)
        self.assertNotIn("metric: COSINE", page)
        self.assertEqual(cells(["--metric", "euclidean"], *cosine), 0)

    def test_paths_may_end_in_a_slash_and_every_step_tells_facts_as_json(self):
        (self.directory / "workspace" / "results").mkdir(parents=True)
        store = muster_json("ingest", "--layout", "prid2011", "--input", f"{self.world}/",
                            "--store", f"{self.directory}/store/")["store"]
        self.assertEqual(store, f"{self.directory}/store")
        run = self.directory / "run"
        facts = json.loads(self.train("run/", "--json", ranks=2).stdout)
        self.assertEqual((facts["run"], facts["steps"], facts["ranks"]), (str(run), 2, 2))
        last = progress_of(run)[-1]
        self.assertEqual((facts["loss"], facts["losses"]), (last["loss"], last["losses"]))
        # Asked again, alone, with other threads: the same run.
        again = self.train("run/", "--json", "--set", "training.loader_threads=2")
        self.assertEqual(json.loads(again.stdout), facts)
        self.assertIn("already trained", again.stderr)
        features = self.directory / "features.h5"
        facts = muster_json("extract", "--run", f"{run}/", "--store", f"small={store}/",
                            "--features", features)
        with h5py.File(features) as file:
            self.assertEqual((facts["rows"], facts["variants"], facts["features"]),
                             file["features"].shape)
            role = file["role"][:]
        self.assertEqual(facts["file"], str(features))
        self.assertEqual(facts["roles"], {name: int(((role & bit) > 0).sum()) for name, bit in [
            ("query", 1), ("gallery", 2), ("distractor", 4), ("junk", 8), ("train", 16)]})
        self.assertGreater(facts["roles"]["query"], 0)
        muster("score", "--features", features, "--run", run, "--result",
               self.directory / "workspace/results/small.json")
        out = self.directory / "out"
        facts = muster_json("report", self.spec(), "--workspace", f"{self.directory}/workspace/",
                            "--out", f"{out}/")
        self.assertEqual(facts, {"cells": 1, "files": [str(out / f"report.{kind}")
                                                       for kind in ["html", "md", "csv"]]})
        self.assertEqual(sorted(os.listdir(out)), ["report.csv", "report.html", "report.md"])

    def test_a_report_replaces_nothing_but_reports(self):
        workspace, out = self.directory / "empty", self.directory / "out"
        workspace.mkdir()
        out.mkdir()
        (out / "report.md").write_text("# mine")
        error = muster("report", self.spec(), "--workspace", workspace, "--out", out,
                       code=2).stderr
        self.assertIn(f"{out / 'report.md'}: already exists", error)
        self.assertEqual(os.listdir(out), ["report.md"])
        self.assertEqual((out / "report.md").read_text(), "# mine")

    def test_a_result_of_other_settings_is_left_out_and_told(self):
        workspace = self.workspace_with_result()
        done = muster("report", self.spec(), "--workspace", workspace, "--out",
                      self.directory / "out", "--set", "training.steps=3")
        self.assertIn("other settings", done.stderr)
        self.assertEqual(len((self.directory / "out/report.csv").read_text().splitlines()), 1)

    def test_what_extract_and_score_were_told_is_not_filed_as_the_experiments(self):
        workspace, run = self.directory / "workspace", self.directory / "run"
        features, record = self.directory / "features.h5", workspace / "results" / "small.json"
        workspace.mkdir()
        self.train("run")

        def cells(extract, score=(), report=(), store="small"):
            muster("extract", "--run", run, "--store", f"{store}={self.store}", "--features",
                   features, *extract)
            muster("score", "--features", features, "--run", run, "--result", record, *score)
            return muster_json("report", self.spec(), "--workspace", workspace, "--out",
                               self.directory / "out", *report)["cells"]

        self.assertEqual(cells([]), 1)
        crops = ["--set", "extraction.crops=8"]
        self.assertEqual(cells(crops), 0)
        self.assertEqual(cells(crops, report=crops), 1)
        self.assertIn("crops: 8", json.loads(record.read_text())["settings"])
        self.assertEqual(cells([], report=crops), 0)
        self.assertEqual(cells(["--set", "extraction.crops=1"]), 1)
        self.assertEqual(cells(["--protocol", "random-half"]), 1)
        self.assertEqual(cells(["--protocol", "all-test"]), 0)
        self.assertEqual(cells(["--protocol", "all-test"],
                               report=["--set", "data.protocol=all-test"]), 0)

    def test_the_experiments_own_split_is_one_of_those_a_cell_is_the_mean_of(self):
        workspace = self.workspace_with_result()
        features = self.directory / "features.h5"
        split = ["--set", "data.split=1", "--set", "training.loader_threads=2"]
        self.train("other", *split)
        muster("extract", "--run", self.directory / "other", "--store", f"small={self.store}",
               "--features", features)
        muster("score", "--features", features, "--run", self.directory / "other", "--result",
               workspace / "results" / "small-1.json")
        done = muster("report", self.spec(), "--workspace", workspace, "--out",
                      self.directory / "out")
        self.assertNotIn("other settings", done.stderr)
        rows = list(csv.DictReader(io.StringIO((self.directory / "out/report.csv").read_text())))
        self.assertEqual(sorted(row["split"] for row in rows), ["0", "1"])
        self.assertIn("mean +-standard deviation", done.stdout)

    def test_extraction_facts_that_are_no_settings_are_named(self):
        self.train("run")
        features = self.directory / "features.h5"
        muster("extract", "--run", self.directory / "run", "--store", f"small={self.store}",
               "--features", features)
        with h5py.File(features, "a") as file:
            facts = json.loads(file.attrs["facts"])
            facts["extraction"] = "crop: eight"
            file.attrs["facts"] = json.dumps(facts)
        error = muster("score", "--features", features, "--run", self.directory / "run",
                       "--result", self.directory / "record.json", code=2).stderr
        self.assertEqual(error.splitlines(), [
            f"muster: {features}: fact 'extraction' holds no settings of extraction"])

    def test_report_again_gives_the_same_bytes(self):
        workspace = self.workspace_with_result()
        pages = []
        for _ in range(2):
            muster("report", self.spec(), "--workspace", workspace, "--out", self.directory / "out")
            pages.append((self.directory / "out/report.html").read_bytes())
        self.assertEqual(pages[0], pages[1])

    def test_missing_cells_are_shown_as_missing(self):
        workspace = self.directory / "empty"
        workspace.mkdir()
        muster("report", self.spec(), "--workspace", workspace, "--out", self.directory / "out")
        self.assertIn("missing", (self.directory / "out/report.html").read_text())


class ExtractionProtocolTest(SmallStoreTest):
    def protocol_of(self, features):
        with h5py.File(features) as file:
            return json.loads(file.attrs["facts"])["protocol"]

    def test_the_trainings_store_keeps_its_protocol_and_others_have_their_own(self):
        self.train("run")
        features, run = self.directory / "features.h5", self.directory / "run"
        # The same store under another name: whoever trained still does not test.
        muster("extract", "--run", run, "--store", f"renamed={self.store}", "--features", features)
        self.assertEqual(self.protocol_of(features), "random-half")

        other = self.directory / "other"
        muster("synth", "--world", "prid2011", "--out", self.directory / "world", "--identities", 3,
               "--frames", 20, "--seed", 2)
        muster("ingest", "--layout", "prid2011", "--input", self.directory / "world", "--store",
               other)
        arguments = ["extract", "--run", run, "--store", f"other={other}", "--features", features]
        error = muster(*arguments, code=2).stderr
        self.assertIn("27 or more frames", error)  # what its own protocol asks for
        muster(*arguments, "--protocol", "all-test")
        self.assertEqual(self.protocol_of(features), "all-test")
        self.assertEqual(muster_json("score", "--features", features)["queries"], 3)
        error = muster(*arguments, "--protocol", "all-tests", code=2).stderr
        self.assertIn("did you mean 'all-test'?", error)


class MetricsTest(SmallStoreTest):
    def free_port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def query(self, port, text):
        url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": text})
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]["result"]

    def wait_until(self, condition, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if condition():
                    return
            except OSError:
                pass
            time.sleep(0.2)
        self.fail("waited in vain")

    def test_a_real_prometheus_sees_both_ranks_step(self):
        workspace = self.directory / "workspace"
        port = self.free_port()
        monitor = subprocess.Popen([MUSTER, "monitor", "--workspace", workspace, "--port",
                                    str(port), "--interval-seconds", "1"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(monitor.wait)
        self.addCleanup(monitor.kill)
        self.wait_until(lambda: self.query(port, "vector(1)"), 30)
        command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2"]
        if os.geteuid() == 0:
            command.append("--allow-run-as-root")
        # As many steps as it takes: it is ended once it was seen.
        training = subprocess.Popen(
            [*command, MUSTER, "train", "--spec", self.spec(), "--store", f"small={self.store}",
             "--run", self.directory / "run", "--workspace", workspace, "--set",
             "training.steps=1000000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(training.wait)
        self.addCleanup(training.terminate)
        seen = "max_over_time(muster_train_steps_total[5m]) > 0"
        self.wait_until(lambda: len(self.query(port, seen)) == 2, 120)
        steps = self.query(port, seen)
        self.assertEqual(sorted(s["metric"]["rank"] for s in steps), ["0", "1"])
        self.assertEqual({s["metric"]["run"] for s in steps}, {"run"})

    def test_a_training_that_ends_leaves_no_target(self):
        workspace = self.directory / "workspace"
        self.train("run", "--workspace", workspace, ranks=2)
        self.assertEqual(os.listdir(workspace / "monitoring" / "targets"), [])


class LayersTest(TemporaryDirectoryTest):
    def test_a_planted_upward_include_is_found(self):
        check = SOURCE / "tools" / "check-layers"
        self.assertEqual(subprocess.run([check, SOURCE], capture_output=True).returncode, 0)
        for room, line in [("common", '#include "datastore/image.h"'),
                           ("datastore", "#include <torch/types.h>"),
                           ("models", '#include "trainer/communicator.h"')]:
            folder = self.directory / room
            folder.mkdir()
            (folder / "planted.cc").write_text(line + "\n")
            done = subprocess.run([check, self.directory], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1, line)
            self.assertIn("planted.cc:1", done.stdout)
            (folder / "planted.cc").unlink()


if __name__ == "__main__":
    unittest.main()
