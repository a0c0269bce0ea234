#include "models/model_catalog.h"

#include <gtest/gtest.h>

#include <set>

#include "common/error.h"
#include "tests/common/support.h"

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

TEST(ModelCatalogTest, NoChoiceIsAnErrorThatListsThem) {
  const std::string text = common::failure_text<common::InputError>(
      [] { model_entry(proto::Model::default_instance()); });
  EXPECT_TRUE(common::contains(text, "stsrn")) << text;
}

}  // namespace
}  // namespace muster::models
