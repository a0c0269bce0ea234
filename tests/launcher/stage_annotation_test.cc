// Of proto/experiment.proto: every setting says which stage it belongs to.
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "proto/experiment.pb.h"
#include "proto/stage.pb.h"

namespace muster::launcher {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// Every field that can be reached from `type`, messages too.
void collect(const Descriptor* type, std::set<const Descriptor*>& visited,
             std::vector<const FieldDescriptor*>& fields) {
  if (!visited.insert(type).second) return;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    fields.push_back(field);
    if (field->message_type() != nullptr) collect(field->message_type(), visited, fields);
  }
}

std::vector<const FieldDescriptor*> fields_of_an_experiment() {
  std::set<const Descriptor*> visited;
  std::vector<const FieldDescriptor*> fields;
  collect(proto::Experiment::descriptor(), visited, fields);
  return fields;
}

bool is_message(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}

TEST(StageAnnotationTest, EverySettingHasAStage) {
  for (const FieldDescriptor* field : fields_of_an_experiment()) {
    if (is_message(field)) continue;
    EXPECT_TRUE(field->options().HasExtension(proto::stage)) << field->full_name();
  }
}

TEST(StageAnnotationTest, GroupsOfSettingsHaveNone) {
  for (const FieldDescriptor* field : fields_of_an_experiment()) {
    if (!is_message(field)) continue;
    EXPECT_FALSE(field->options().HasExtension(proto::stage)) << field->full_name();
  }
}

TEST(StageAnnotationTest, TheWalkReachesTheDeepestGroups) {
  std::set<std::string> names;
  for (const FieldDescriptor* field : fields_of_an_experiment()) names.insert(field->full_name());
  EXPECT_EQ(names.count("muster.proto.Sgd.momentum"), 1u);
  EXPECT_EQ(names.count("muster.proto.TripletLoss.margin"), 1u);
  EXPECT_EQ(names.count("muster.proto.Stsrn.dropout"), 1u);
}

TEST(StageAnnotationTest, HowFastATrainingRunsIsNeverHashed) {
  const Descriptor* training = proto::Training::descriptor();
  for (const char* name : {"loader_threads", "prefetch_batches", "bucket_bytes", "overlap",
                           "check_parameters_every", "watchdog_seconds"}) {
    EXPECT_EQ(training->FindFieldByName(name)->options().GetExtension(proto::stage),
              proto::EXECUTION);
  }
}

TEST(StageAnnotationTest, TheMetricCostsNoTraining) {
  EXPECT_EQ(
      proto::Scoring::descriptor()->FindFieldByName("metric")->options().GetExtension(proto::stage),
      proto::SCORE);
}

TEST(StageAnnotationTest, EveryOptionalNumberStatesItsDefault) {
  for (const FieldDescriptor* field : fields_of_an_experiment()) {
    if (is_message(field) || field->is_repeated() ||
        field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      continue;
    }
    EXPECT_TRUE(field->has_default_value()) << field->full_name();
  }
}

}  // namespace
}  // namespace muster::launcher
