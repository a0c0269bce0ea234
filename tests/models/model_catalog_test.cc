#include "models/model_catalog.h"

#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "common/canonical_message.h"
#include "common/error.h"
#include "models/initialisation.h"
#include "tests/common/support.h"
#include "tests/models/support.h"

namespace muster::models {
namespace {

TEST(ModelCatalogTest, NamesAreUnique) {
  std::set<std::string> names;
  for (const ModelEntry& entry : model_catalog()) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    EXPECT_FALSE(entry.summary.empty()) << entry.name;
  }
}

TEST(ModelCatalogTest, EveryNetworkOfTheSchemaIsThere) {
  const auto* networks = proto::Model::descriptor()->FindOneofByName("network");
  ASSERT_EQ(static_cast<size_t>(networks->field_count()), model_catalog().size());
  for (int i = 0; i < networks->field_count(); ++i) {
    proto::Model options;
    options.GetReflection()->MutableMessage(&options, networks->field(i));
    EXPECT_EQ(model_entry(options).name, networks->field(i)->name());
  }
}

TEST(ModelCatalogTest, EntriesCreateTheirNetwork) {
  proto::Model options;
  options.mutable_stsrn()->set_width(0.25);
  const auto model = model_entry(options).create(options, 3, 1);
  EXPECT_FALSE(model->parameters().empty());
}

// A row's network at an eighth of its width.
proto::Model small_settings(const std::string& row) {
  proto::Model options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(row, &options)) << row;
  const auto* network = options.GetReflection()->GetOneofFieldDescriptor(
      options, proto::Model::descriptor()->FindOneofByName("network"));
  auto* settings = options.GetReflection()->MutableMessage(&options, network);
  settings->GetReflection()->SetDouble(settings,
                                       settings->GetDescriptor()->FindFieldByName("width"), 0.125);
  return options;
}

TEST(ModelCatalogTest, RowsHaveNamesOfTheirOwnAndBelongToTheirEntry) {
  for (const ModelEntry& entry : model_catalog()) {
    std::set<std::pair<std::string, std::string>> names;
    for (const AblationRow& row : entry.rows) {
      EXPECT_TRUE(names.insert({row.table, row.name}).second) << row.table << row.name;
      EXPECT_EQ(small_settings(row.model).network_case(), entry.network_case) << row.name;
    }
  }
}

TEST(ModelCatalogTest, EveryRowOfStsrnGetsFiniteGradientsInATrainingStep) {
  for (const ModelEntry& entry : model_catalog()) {
    if (entry.name != "stsrn") continue;
    EXPECT_EQ(entry.rows.size(), 12u);
    for (const AblationRow& row : entry.rows) {
      const auto model = entry.create(small_settings(row.model), 3, 1);
      const InputFormat format = model->input_format();
      ModelInput input;
      input.clips = normal_tensor({2, 3, 3, format.crop_height, format.crop_width}, 1, at::kFloat);
      input.flow = normal_tensor({2, 3, 2, format.crop_height, format.crop_width}, 2, at::kFloat);
      const ModelOutput output = model->forward(input, training_context({1, 2}));
      output.logits.at("identity").pow(2).sum().backward();
      for (const auto& [name, value] : model->parameters()) {
        ASSERT_TRUE(value.grad().defined()) << row.name << " " << name;
        EXPECT_TRUE(value.grad().isfinite().all().item<bool>()) << row.name << " " << name;
      }
    }
  }
}

// 477750 -> "477,750".
std::string with_commas(int64_t count) {
  std::string text = std::to_string(count);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<size_t>(at), ",");
  }
  return text;
}

// "| Table 5 | BaseModel | `stsrn { ... }` | 420,662 |", as docs/models.md counts: with classifiers
// of 150 identities, TAM + SRM, whose classifier is not the paper's, without.
std::string line_of_page(const ModelEntry& entry, const AblationRow& row,
                         std::map<std::string, int64_t>& counts) {
  proto::Experiment experiment;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(row.model, experiment.mutable_model()))
      << row.model;
  const auto [found, unknown] =
      counts.emplace(entry.name + common::settings_of(experiment, {proto::TRAIN}), 0);
  int64_t& count = found->second;
  if (unknown) {
    const WithoutInitialValues only_counted;
    const auto model = entry.create(experiment.model(), entry.name == "tam_srm" ? 0 : 150, 1);
    for (const auto& [name, value] : model->parameters()) count += value.numel();
  }
  const std::string loss = row.loss.empty() ? "" : ", `loss { " + row.loss + " }`";
  return "| " + row.table + " | " + row.name + " | `" + row.model + "`" + loss + " | " +
         with_commas(count) + " |";
}

TEST(ModelCatalogTest, TheDocumentationSaysEveryRowWithItsParameters) {
  std::ifstream file(std::string(MUSTER_SOURCE_DIR) + "/docs/models.md");
  const std::string page((std::istreambuf_iterator<char>(file)), {});
  std::map<std::string, int64_t> counts;  // of what rows train; how they are scored adds nothing
  for (const ModelEntry& entry : model_catalog()) {
    for (const AblationRow& row : entry.rows) {
      const std::string line = line_of_page(entry, row, counts);
      EXPECT_TRUE(common::contains(page, line)) << line;
    }
  }
}

TEST(ModelCatalogTest, EveryPaperHasTheRowsOfItsTables) {
  const std::map<std::string, size_t> expected = {
      {"stsrn", 12}, {"cnn_rnn", 1},   {"trl", 35},        {"tam_srm", 6},
      {"stal", 49},  {"rru_stim", 12}, {"pose_network", 0}};
  std::map<std::string, size_t> found;
  for (const ModelEntry& entry : model_catalog()) found[entry.name] = entry.rows.size();
  EXPECT_EQ(found, expected);
}

TEST(ModelCatalogTest, NoChoiceIsAnErrorThatListsThem) {
  const std::string text = common::failure_text<common::InputError>(
      [] { model_entry(proto::Model::default_instance()); });
  EXPECT_TRUE(common::contains(text, "stsrn")) << text;
}

}  // namespace
}  // namespace muster::models
