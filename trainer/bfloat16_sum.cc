#include "trainer/bfloat16_sum.h"

#include <ATen/ATen.h>

#include "common/error.h"

namespace muster::trainer {
namespace {

class BFloat16Sum : public PendingOperation {
 public:
  BFloat16Sum(const at::Tensor& values, Communicator& communicator)
      : values_(values), rounded_(values.to(at::kBFloat16)), communicator_(communicator) {}

  void wait() override {
    const auto ranks = static_cast<int64_t>(communicator_.size());
    const auto bytes = static_cast<int64_t>(rounded_.nbytes());
    const at::Tensor all = at::empty({ranks, rounded_.numel()}, rounded_.options());
    communicator_.all_gather(rounded_.data_ptr(), all.data_ptr(),
                             std::vector<int64_t>(static_cast<size_t>(ranks), bytes),
                             ElementType::kByte);
    values_.copy_(all[0]);
    for (int64_t rank = 1; rank < ranks; ++rank) values_.add_(all[rank].to(at::kFloat));
  }

 private:
  at::Tensor values_;
  const at::Tensor rounded_;
  Communicator& communicator_;
};

}  // namespace

std::unique_ptr<PendingOperation> start_bfloat16_sum(const at::Tensor& values,
                                                     Communicator& communicator) {
  MUSTER_REQUIRE(at::toString(values.scalar_type()), ==, std::string("Float"));
  return std::make_unique<BFloat16Sum>(values, communicator);
}

}  // namespace muster::trainer
