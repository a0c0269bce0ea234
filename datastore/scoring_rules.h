// What a protocol asks of the ranking. Besides these, one rule holds for every protocol: of a
// query's point of view, gallery items of its own identity under its own camera do not exist.
#pragma once

namespace muster::datastore {

// Mean over a query's right matches, at ranks k = 1, 2, ..., where P(k) is the share of right ones
// among the first k and P(0) = 1.
enum class AveragePrecision {
  kRectangle,  // of P(k)
  kTrapezoid,  // of (P(k - 1) + P(k)) / 2
};

enum class GalleryRule {
  kAsMarked,        // rows with the gallery or the distractor bit
  kWithQueries,     // these, and every row with the query bit
  kWithoutQueries,  // these, less rows with the query or the junk bit
};

// Queries that have no right match in the gallery.
enum class UnmatchedQueries {
  kSkipped,  // told apart, in no mean
  kMissed,   // in every mean, with 0
};

struct ScoringRules {
  AveragePrecision average_precision = AveragePrecision::kRectangle;
  GalleryRule gallery = GalleryRule::kAsMarked;
  UnmatchedQueries unmatched = UnmatchedQueries::kSkipped;
};

}  // namespace muster::datastore
