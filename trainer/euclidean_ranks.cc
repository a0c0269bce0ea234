#include "trainer/euclidean_ranks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "common/error.h"
#include "trainer/distance_bounds.h"
#include "trainer/exact_distance.h"
#include "trainer/matrix_threads.h"
#include "trainer/parallel_ranges.h"

namespace muster::trainer {
namespace {

constexpr int64_t kQueryBytes = int64_t{96} << 20, kGalleryBytes = int64_t{32} << 20;
constexpr int64_t kMostQueries = 4096, kMostGallery = 2048;
constexpr int64_t kStripRows = 512;  // queries of one matrix product

struct Match {
  float distance = 0;    // as it ranks
  float low = 0;         // a bound below this is nearer for certain,
  float high = 0;        // one above this farther
  int64_t position = 0;  // in the gallery
  int64_t nearer = 0;    // items that are no matches and rank before it
};

// One query of the block in work.
struct RankedQuery {
  const std::vector<int64_t>* same_identity = nullptr;  // positions in the gallery, ascending
  std::vector<Match> matches;
};

// Squared distances are compared where there is one variant; it saves the roots.
Match match_at(int64_t position, const float* query, const float* item, int64_t variants,
               int64_t features) {
  Match match;
  match.position = position;
  double compared;
  if (variants == 1) {
    compared = squared_distance(query, item, features);
    match.distance = static_cast<float>(std::sqrt(compared));
  } else {
    compared = distance_over_variants(query, item, variants, features);
    match.distance = static_cast<float>(compared);
  }
  // Distances that differ by less than this may be equal floats; roots and sums of bounds round.
  const double margin = static_cast<double>(2 * variants + 16) / (1 << 24);
  match.low = static_cast<float>(compared * (1 - margin));
  match.high = static_cast<float>(compared * (1 + margin));
  return match;
}

class BlockRanker {
 public:
  BlockRanker(const ComparedVectors& queries, const ComparedVectors& gallery, int threads)
      : queries_(queries),
        gallery_(gallery),
        threads_(threads),
        gallery_rows_(gallery.rows_within(kGalleryBytes, kMostGallery)),
        bound_(distance_bound(gallery.table->features)) {
    for (int64_t i = 0; i < gallery.count(); ++i) {
      by_identity_[gallery.table->identity[table_row(gallery, i)]].push_back(i);
    }
  }

  int64_t gallery_blocks() const { return (gallery_.count() + gallery_rows_ - 1) / gallery_rows_; }

  // Queries [first, first + count); tell(i) after gallery block i.
  template <typename Tell>
  std::vector<RankedQuery> rank(int64_t first, int64_t count, const Tell& tell) {
    load_block(queries_, first, count, threads_, query_block_);
    first_query_ = first;
    ranked_.assign(static_cast<size_t>(count), {});
    for (int64_t i = 0; i < count; ++i) {
      const auto found =
          by_identity_.find(queries_.table->identity[table_row(queries_, first + i)]);
      ranked_[static_cast<size_t>(i)].same_identity =
          found == by_identity_.end() ? &nobody_ : &found->second;
    }
    for_gallery([&](int64_t begin, int64_t) { find_matches(begin); });
    const std::vector<float> centre = centre_of(query_block_);
    centre_block(centre, threads_, query_block_);
    for_gallery([&](int64_t begin, int64_t block) {
      centre_block(centre, threads_, gallery_block_);
      count_nearer(begin);
      tell(block);
    });
    return std::move(ranked_);
  }

 private:
  static size_t table_row(const ComparedVectors& vectors, int64_t i) {
    return static_cast<size_t>(vectors.rows[static_cast<size_t>(i)]);
  }

  template <typename Work>
  void for_gallery(const Work& work) {
    for (int64_t block = 0; block < gallery_blocks(); ++block) {
      const int64_t begin = block * gallery_rows_;
      load_block(gallery_, begin, std::min(gallery_rows_, gallery_.count() - begin), threads_,
                 gallery_block_);
      work(begin, block);
    }
  }

  // Those of `positions` that lie in the gallery block that begins there.
  std::pair<const int64_t*, const int64_t*> inside(const std::vector<int64_t>& positions,
                                                   int64_t begin) const {
    const auto low = std::lower_bound(positions.begin(), positions.end(), begin);
    const auto high = std::lower_bound(low, positions.end(), begin + gallery_block_.rows);
    return {positions.data() + (low - positions.begin()),
            positions.data() + (high - positions.begin())};
  }

  void find_matches(int64_t begin) {
    for_ranges(query_block_.rows, threads_, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        RankedQuery& query = ranked_[static_cast<size_t>(i)];
        const int32_t camera = queries_.table->camera[table_row(queries_, first_query_ + i)];
        const auto [low, high] = inside(*query.same_identity, begin);
        for (const int64_t* position = low; position != high; ++position) {
          if (gallery_.table->camera[table_row(gallery_, *position)] == camera) continue;
          query.matches.push_back(match_at(*position, query_block_.row(i),
                                           gallery_block_.row(*position - begin),
                                           query_block_.variants, query_block_.features));
        }
      }
    });
  }

  void count_nearer(int64_t begin) {
    for_ranges(query_block_.rows, threads_, [&](int64_t from, int64_t to) {
      Strip strip(gallery_block_.rows);
      for (int64_t first = from; first < to; first += kStripRows) {
        count_in_strip(first, std::min(kStripRows, to - first), begin, strip);
      }
    });
  }

  // What a thread works with.
  struct Strip {
    explicit Strip(int64_t gallery)
        : exact(static_cast<size_t>(gallery)), known(static_cast<size_t>(gallery)) {}
    at::Tensor products;              // [queries, gallery]
    std::vector<float> lower, upper;  // likewise, or one row of it for one variant
    std::vector<float> exact;         // [gallery]: distances of one query, where they are
    std::vector<char> known;          //            known
    std::vector<int64_t> to_forget;
  };

  void count_in_strip(int64_t first, int64_t count, int64_t begin, Strip& strip) {
    const int64_t items = gallery_block_.rows, variants = query_block_.variants;
    const int64_t rows_kept = variants == 1 ? 1 : count;
    strip.lower.assign(static_cast<size_t>(rows_kept * items), 0);
    strip.upper.assign(static_cast<size_t>(rows_kept * items), 0);
    for (int64_t variant = 0; variant < variants; ++variant) {
      multiply(first, count, variant, strip);
      for (int64_t i = 0; i < count; ++i) {
        const float square =
            query_block_.squares[static_cast<size_t>(variant * query_block_.rows + first + i)];
        const float* squares = gallery_block_.squares.data() + variant * items;
        const float* products = strip.products.data_ptr<float>() + i * items;
        if (variants == 1) {
          bounds_of_row(bound_, square, squares, products, items, strip.lower.data(),
                        strip.upper.data());
          count_of_query(first + i, begin, strip.lower.data(), strip.upper.data(), strip);
        } else {
          float* lower = strip.lower.data() + i * items;
          float* upper = strip.upper.data() + i * items;
          add_distance_bounds_of_row(bound_, square, squares, products, items, lower, upper);
          if (variant == variants - 1) count_of_query(first + i, begin, lower, upper, strip);
        }
      }
    }
  }

  // strip.products = queries' vectors times the gallery's.
  void multiply(int64_t first, int64_t count, int64_t variant, Strip& strip) {
    const int64_t items = gallery_block_.rows, features = query_block_.features;
    const auto view = [features](std::vector<float>& values, int64_t from, int64_t rows) {
      return at::from_blob(values.data() + from * features, {rows, features}, at::kFloat);
    };
    const at::NoGradGuard no_gradients;
    if (!strip.products.defined() || strip.products.size(0) != count) {
      strip.products = at::empty({count, items}, at::kFloat);
    }
    at::mm_out(strip.products,
               view(query_block_.centred, variant * query_block_.rows + first, count),
               view(gallery_block_.centred, variant * items, items).t());
  }

  void count_of_query(int64_t i, int64_t begin, float* lower, float* upper, Strip& strip) {
    RankedQuery& query = ranked_[static_cast<size_t>(i)];
    if (query.matches.empty()) return;
    const auto [low, high] = inside(*query.same_identity, begin);
    for (const int64_t* position = low; position != high; ++position) {
      lower[*position - begin] = upper[*position - begin] =
          std::numeric_limits<float>::quiet_NaN();  // no rival
    }
    constexpr int64_t kChunk = 256;
    for (Match& match : query.matches) {
      for (int64_t first = 0; first < gallery_block_.rows; first += kChunk) {
        const int64_t count = std::min(kChunk, gallery_block_.rows - first);
        const BoundCount bounds =
            count_bounds(lower + first, upper + first, count, match.low, match.high);
        match.nearer += bounds.surely_nearer;
        if (bounds.surely_nearer == bounds.perhaps_nearer) continue;
        for (int64_t item = first; item < first + count; ++item) {
          const bool undecided = !(upper[item] < match.low) && lower[item] <= match.high;
          if (undecided && is_before(i, item, begin, match, strip)) ++match.nearer;
        }
      }
    }
    for (const int64_t item : strip.to_forget) strip.known[static_cast<size_t>(item)] = 0;
    strip.to_forget.clear();
  }

  bool is_before(int64_t query, int64_t item, int64_t begin, const Match& match,
                 Strip& strip) const {
    const auto index = static_cast<size_t>(item);
    if (strip.known[index] == 0) {
      strip.exact[index] = match_at(0, query_block_.row(query), gallery_block_.row(item),
                                    query_block_.variants, query_block_.features)
                               .distance;
      strip.known[index] = 1;
      strip.to_forget.push_back(item);
    }
    const float distance = strip.exact[index];
    return distance < match.distance ||
           (distance == match.distance && begin + item < match.position);
  }

  const ComparedVectors& queries_;
  const ComparedVectors& gallery_;
  const int threads_;
  const int64_t gallery_rows_;
  const DistanceBound bound_;
  const std::vector<int64_t> nobody_;
  std::unordered_map<int32_t, std::vector<int64_t>> by_identity_;
  VectorBlock query_block_, gallery_block_;
  int64_t first_query_ = 0;
  std::vector<RankedQuery> ranked_;
};

// Before each match: what is no match, and the matches that are nearer.
std::vector<int64_t> ranks_of(std::vector<Match>& matches) {
  std::sort(matches.begin(), matches.end(), [](const Match& a, const Match& b) {
    return a.distance < b.distance || (a.distance == b.distance && a.position < b.position);
  });
  std::vector<int64_t> ranks;
  for (const Match& match : matches) {
    ranks.push_back(match.nearer + static_cast<int64_t>(ranks.size()));
  }
  return ranks;
}

}  // namespace

std::vector<std::vector<int64_t>> euclidean_match_ranks(const ComparedVectors& queries,
                                                        const ComparedVectors& gallery, int threads,
                                                        common::ProgressSink& progress) {
  MUSTER_REQUIRE(queries.table->row_size("features"), ==, gallery.table->row_size("features"));
  const OneThreadPerProduct by_rows;
  BlockRanker ranker(queries, gallery, threads);
  std::vector<std::vector<int64_t>> ranks;
  const int64_t most = queries.rows_within(kQueryBytes, kMostQueries);
  for (int64_t first = 0; first < queries.count(); first += most) {
    const int64_t count = std::min(most, queries.count() - first);
    for (RankedQuery& query : ranker.rank(first, count, [&](int64_t block) {
           progress.advance(first + count * (block + 1) / ranker.gallery_blocks());
         })) {
      ranks.push_back(ranks_of(query.matches));
    }
  }
  return ranks;
}

}  // namespace muster::trainer
