#include "datastore/fault_list.h"

namespace muster::datastore {

FaultList::FaultList(OnError on_error, const std::filesystem::path& root)
    : on_error_(on_error), beginning_((root / "").string()) {}

void FaultList::leave_out(const std::string& name, const std::string& problem,
                          const std::string& remedy) {
  if (on_error_ == OnError::kFail) throw common::InputError(name, problem, remedy);
  left_out_.push_back({from_root(name), from_root(problem)});
}

void FaultList::leave_out(const std::string& name, const common::InputError& cause) {
  if (on_error_ == OnError::kFail) throw cause;
  const std::string object = cause.object() == name ? "" : cause.object() + ": ";
  left_out_.push_back({from_root(name), from_root(object + cause.problem())});
}

void FaultList::nothing_is_left(const std::string& object, const std::string& problem,
                                common::ProgressSink& progress) const {
  for (const LeftOut& thing : left_out_) {
    progress.note("left out " + thing.name + ": " + thing.reason);
  }
  std::string why = problem;
  if (!left_out_.empty()) {
    const LeftOut& first = left_out_.front();
    why += left_out_.size() == 1
               ? ": left out is "
               : ": " + std::to_string(left_out_.size()) + " things are left out, the first is ";
    why += first.name + " (" + first.reason + ")";
  }
  throw common::InputError(object, why, "see docs/guides/datasets.md for what belongs where");
}

// Paths begin where a word does; the same letters may come inside another path.
std::string FaultList::from_root(std::string text) const {
  if (beginning_.empty()) return text;
  const auto begins_word = [&](size_t at) {
    const auto before = static_cast<unsigned char>(at == 0 ? ' ' : text[at - 1]);
    return before == ' ' || before == '\'' || before == '"' || before == '(';
  };
  size_t at = text.find(beginning_);
  while (at != std::string::npos) {
    if (begins_word(at)) {
      text.erase(at, beginning_.size());
    } else {
      ++at;
    }
    at = text.find(beginning_, at);
  }
  return text;
}

}  // namespace muster::datastore
