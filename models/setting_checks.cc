#include "models/setting_checks.h"

#include "common/error.h"
#include "common/number_text.h"

namespace muster::models {

void demand_setting(bool holds, const std::string& field, double value, const std::string& range) {
  if (holds) return;
  throw common::InputError(field, common::number_text(value) + " is not " + range);
}

void refuse_without_effect(const google::protobuf::Message& settings, const std::string& prefix,
                           std::initializer_list<const char*> fields, const std::string& because,
                           const std::string& remedy) {
  for (const char* name : fields) {
    const auto* field = settings.GetDescriptor()->FindFieldByName(name);
    MUSTER_REQUIRE((field != nullptr), ==, true);
    if (settings.GetReflection()->HasField(settings, field)) {
      throw common::InputError(prefix + "." + name, "has no effect: " + because, remedy);
    }
  }
}

void demand_layer_size(const std::string& prefix, const std::vector<std::string>& fields,
                       std::initializer_list<int64_t> sizes) {
  int64_t product = 1;
  bool fits = true;
  for (const int64_t size : sizes) {
    MUSTER_REQUIRE(size, >, 0);
    fits = fits && product <= kMostWeights / size;
    if (fits) product *= size;
  }
  if (fits) return;
  std::string others;
  for (size_t i = 1; i < fields.size(); ++i) others += (i > 1 ? ", " : "with ") + fields[i];
  throw common::InputError(
      prefix + "." + fields.front(),
      (others.empty() ? "" : others + " ") + "makes a layer of more than 2147483648 weights",
      "choose less");
}

}  // namespace muster::models
