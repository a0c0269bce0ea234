// What was passed over while a dataset was opened.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/progress_sink.h"
#include "datastore/dataset_reader.h"

namespace muster::datastore {

// Things below the dataset's root are listed by their names from there on, so that a list does not
// tell where the dataset lay. Errors name them in full.
class FaultList {
 public:
  // `root` as the names of things will begin with it.
  FaultList(OnError on_error, const std::filesystem::path& root);

  // Notes a thing that is left out, or throws InputError if the first fault is to end the work.
  void leave_out(const std::string& name, const std::string& problem,
                 const std::string& remedy = "");
  // The same of a thing that something else makes useless: throws `cause` itself.
  void leave_out(const std::string& name, const common::InputError& cause);

  const std::vector<LeftOut>& left_out() const { return left_out_; }

  // For a dataset of which nothing can be used: tells all that was left out, then throws InputError
  // with the first of it.
  [[noreturn]] void nothing_is_left(const std::string& object, const std::string& problem,
                                    common::ProgressSink& progress) const;

 private:
  std::string from_root(std::string text) const;

  OnError on_error_;
  std::string beginning_;  // the root with a slash
  std::vector<LeftOut> left_out_;
};

}  // namespace muster::datastore
