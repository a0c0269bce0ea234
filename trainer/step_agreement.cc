#include "trainer/step_agreement.h"

#include "common/error.h"

namespace muster::trainer {

StepAgreement::StepAgreement(Communicator& communicator)
    : communicator_(communicator.duplicate()) {}

void StepAgreement::ask(const StepWishes& own) {
  MUSTER_REQUIRE(pending_ == nullptr, ==, true);
  counts_ = {own.stop ? 1 : 0, own.checkpoint ? 1 : 0};
  pending_ = communicator_->all_reduce_sum(counts_.data(), static_cast<int64_t>(counts_.size()),
                                           ElementType::kInt64);
}

StepWishes StepAgreement::answer() {
  MUSTER_REQUIRE(pending_ != nullptr, ==, true);
  pending_->wait();
  pending_.reset();
  return {counts_[0] > 0, counts_[1] > 0};
}

}  // namespace muster::trainer
