// Scoring by a network's own distance.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>

#include "common/error.h"
#include "common/keyed_random.h"
#include "datastore/tracklet_role.h"
#include "tests/common/support.h"
#include "tests/trainer/small_pair_model.h"
#include "trainer/scoring.h"

namespace muster::trainer {
namespace {

// Euclidean between "codes" [rows, 2, 3], summed over the middle axis and over variants.
class CodeModel : public SmallPairModel {
 public:
  at::Tensor distance(const models::Signature& queries,
                      const models::Signature& gallery) const override {
    const at::Tensor& left = queries.at("codes");
    const at::Tensor& right = gallery.at("codes");
    if (left.dim() != 3 && left.dim() != 4) ADD_FAILURE() << left.sizes();
    const auto rows = [](const at::Tensor& codes) {
      return codes.reshape({codes.size(0), -1, 3}).transpose(0, 1).contiguous();
    };
    largest_block = std::max(largest_block, right.size(0));
    return at::cdist(rows(left), rows(right), 2.0, 2).sum(0);
  }
  mutable int64_t largest_block = 0;
};

// The same numbers as a tensor "codes", and as features that Euclidean scoring takes: what is a
// part there is a variant here.
struct TwoViews {
  FeatureTable codes, features;
};

TwoViews two_views(int64_t rows, int64_t variants) {
  TwoViews views;
  FeatureTable& table = views.codes;
  table.rows = rows;
  table.variants = variants;
  common::KeyedRandom random(5);
  for (int64_t row = 0; row < rows; ++row) {
    table.identity.push_back(static_cast<int32_t>(random.below(15)));
    table.camera.push_back(row < 20 ? 1 : 2);
    table.role.push_back(row < 20 ? datastore::kRoleQuery : datastore::kRoleGallery);
  }
  views.features = table;
  FeatureTensor& codes = table.further["codes"];
  codes.shape = {2, 3};
  for (int64_t i = 0; i < rows * variants * 6; ++i) {
    codes.values.push_back(static_cast<float>(random.normal()));
  }
  views.features.variants = 2 * variants;
  views.features.features = 3;
  views.features.values = codes.values;
  return views;
}

RankingResult scored_by(proto::Metric metric, const FeatureTable& table,
                        const models::Model* model) {
  common::SilentProgress progress;
  int64_t gallery_size = 0;
  return score(table, table, metric, {}, &gallery_size, progress, {model, nullptr});
}

TEST(ModelScoringTest, RanksByTheModelsDistance) {
  for (const int64_t variants : {1, 2}) {
    const TwoViews views = two_views(80, variants);
    const CodeModel model;
    const RankingResult by_model = scored_by(proto::MODEL, views.codes, &model);
    const RankingResult expected = scored_by(proto::EUCLIDEAN, views.features, nullptr);
    EXPECT_EQ(by_model.cmc, expected.cmc);
    EXPECT_EQ(by_model.mean_average_precision, expected.mean_average_precision);
    EXPECT_LT(by_model.cmc[0], 1);
  }
}

TEST(ModelScoringTest, ALargeGalleryGoesThroughInBlocks) {
  const TwoViews views = two_views(2600, 1);
  const CodeModel model;
  const RankingResult by_model = scored_by(proto::MODEL, views.codes, &model);
  EXPECT_EQ(by_model.cmc, scored_by(proto::EUCLIDEAN, views.features, nullptr).cmc);
  EXPECT_LE(model.largest_block, 1024);
}

// Distances that depend on the whole gallery: less their largest.
class WholeGalleryModel : public CodeModel {
 public:
  bool wants_whole_gallery() const override { return true; }
  at::Tensor distance(const models::Signature& queries,
                      const models::Signature& gallery) const override {
    ++calls;
    galleries.insert(gallery.at("codes").size(0));
    const at::Tensor distances = CodeModel::distance(queries, gallery);
    return distances - distances.amax(1, true);
  }
  mutable std::set<int64_t> galleries;
  mutable int calls = 0;
};

TEST(ModelScoringTest, AModelThatWantsTheWholeGalleryGetsItInOneCall) {
  const TwoViews views = two_views(2600, 1);
  const WholeGalleryModel model;
  const RankingResult by_model = scored_by(proto::MODEL, views.codes, &model);
  EXPECT_EQ(by_model.cmc, scored_by(proto::EUCLIDEAN, views.features, nullptr).cmc);
  EXPECT_EQ(model.galleries, std::set<int64_t>{2580});
  EXPECT_EQ(model.calls, 1);  // 20 queries
}

TEST(ModelScoringTest, SignaturesWithoutFeaturesWantTheModel) {
  const std::string text = common::failure_text<common::InputError>(
      [] { scored_by(proto::EUCLIDEAN, two_views(80, 1).codes, nullptr); });
  EXPECT_TRUE(common::contains(text, "has no 'features'")) << text;
  EXPECT_TRUE(common::contains(text, "--metric model")) << text;
}

TEST(ModelScoringTest, ATensorThatTheModelMissesIsAnError) {
  const CodeModel model;
  const std::string text = common::failure_text<common::InputError>(
      [&] { scored_by(proto::MODEL, two_views(80, 1).features, &model); });
  EXPECT_TRUE(common::contains(text, "lacks a tensor")) << text;
}

TEST(ModelScoringTest, TablesOfOtherTensorsDoNotFit) {
  const FeatureTable queries = two_views(80, 1).codes;
  FeatureTable gallery = queries;
  gallery.further["codes"].shape = {3, 2};
  const CodeModel model;
  common::SilentProgress progress;
  int64_t gallery_size = 0;
  EXPECT_THROW(
      score(queries, gallery, proto::MODEL, {}, &gallery_size, progress, {&model, nullptr}),
      common::InputError);
}

}  // namespace
}  // namespace muster::trainer
