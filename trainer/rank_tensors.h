// Tensors across ranks, with gradients. Collective, and so is the backward pass through them: every
// rank must call backward, also one without clips. The communicator must outlive every graph built
// on it.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "models/model.h"
#include "trainer/communicator.h"

namespace muster::trainer {

// Rows of all ranks in rank order: [local, ...] -> [sum of counts, ...]. counts[r] rows come from
// rank r. Backward: every rank gets the sum over ranks of the gradient of its own rows. With each
// rank's loss covering its own anchors only, summing parameter gradients over ranks is then exact.
at::Tensor gather_rows(const at::Tensor& local, const std::vector<int64_t>& counts,
                       Communicator& communicator);

// Rows without gradient, for labels.
at::Tensor gather_constant_rows(const at::Tensor& local, const std::vector<int64_t>& counts,
                                Communicator& communicator);

// Sum over ranks; backward sums the gradients over ranks as well.
class CommunicatorStatisticsExchange : public models::StatisticsExchange {
 public:
  explicit CommunicatorStatisticsExchange(Communicator& communicator)
      : communicator_(communicator) {}
  at::Tensor sum(const at::Tensor& local) override;
  bool alone() const override { return communicator_.size() == 1; }
  // So far: sums, and what this thread spent on them (on a GPU: queueing them). Not while another
  // thread may be in sum().
  int64_t messages() const { return messages_; }
  double seconds() const { return seconds_; }

 private:
  Communicator& communicator_;
  int64_t messages_ = 0;
  double seconds_ = 0;
};

ElementType element_type(const at::Tensor& tensor);
// The one that messages of this tensor's memory travel by. Decided by the tensor's device, which is
// the same on every rank, also where it is empty.
Communicator& communicator_for(const at::Tensor& tensor, Communicator& communicator);

}  // namespace muster::trainer
