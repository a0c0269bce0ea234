// What was passed over while a dataset was opened.
#pragma once

#include <string>
#include <vector>

#include "common/error.h"
#include "datastore/dataset_reader.h"

namespace muster::datastore {

class FaultList {
 public:
  explicit FaultList(OnError on_error) : on_error_(on_error) {}
  // Notes a thing that is left out, or throws InputError if the first fault is to end the work.
  void leave_out(const std::string& name, const std::string& reason,
                 const std::string& remedy = "") {
    if (on_error_ == OnError::kFail) throw common::InputError(name, reason, remedy);
    left_out_.push_back({name, reason});
  }
  const std::vector<LeftOut>& left_out() const { return left_out_; }

 private:
  OnError on_error_;
  std::vector<LeftOut> left_out_;
};

}  // namespace muster::datastore
