#include "trainer/update_kernels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

#include <cmath>

#include "tests/models/support.h"

namespace muster::trainer {
namespace {

// Shorter and longer than a vector register, and longer than a piece of the loops.
const std::vector<std::vector<int64_t>> kShapes = {{3}, {2, 5}, {1}, {70000}, {4, 3, 3, 3}, {0}};

std::vector<at::Tensor> tensors_of(uint64_t seed, at::ScalarType type) {
  std::vector<at::Tensor> tensors;
  for (size_t i = 0; i < kShapes.size(); ++i) {
    tensors.push_back(models::normal_tensor(kShapes[i], 100 * seed + i).to(type));
  }
  return tensors;
}

std::vector<at::Tensor> zeros(at::ScalarType type) {
  std::vector<at::Tensor> tensors;
  for (const auto& shape : kShapes) tensors.push_back(at::zeros(shape, type));
  return tensors;
}

double largest_difference(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].numel() == 0) continue;
    largest = std::max(largest, (a[i].detach() - b[i].detach()).abs().max().item<double>());
  }
  return largest;
}

struct Case {
  std::string name;
  bool loops;
  at::ScalarType type;
};

class UpdateKernelsTest : public testing::TestWithParam<Case> {
 protected:
  const UpdateKernels& kernels() const {
    return GetParam().loops ? loop_kernels() : tensor_kernels();
  }
  at::ScalarType type() const { return GetParam().type; }
  double bound() const { return type() == at::kDouble ? 1e-13 : 3e-6; }

  // Steps `optimizer` and the kernels with the same gradients.
  template <typename Optimizer, typename Options, typename Step>
  double difference_from(const Options& options, UpdateLists lists, const Step& step) {
    std::vector<at::Tensor> reference;
    for (const at::Tensor& value : lists.values) {
      reference.push_back(value.clone().requires_grad_());
    }
    Optimizer optimizer(reference, options);
    for (uint64_t t = 1; t <= 6; ++t) {
      lists.gradients = tensors_of(t + 10, type());
      for (size_t i = 0; i < reference.size(); ++i) {
        reference[i].mutable_grad() = lists.gradients[i].clone();
      }
      optimizer.step();
      step(lists, static_cast<int64_t>(t));
    }
    return largest_difference(lists.values, reference);
  }

  double sgd_difference(double momentum, bool nesterov, double decay) {
    UpdateLists lists;
    lists.values = tensors_of(1, type());
    if (momentum > 0) lists.first = zeros(type());
    const SgdRule rule{0.05, momentum, decay, nesterov};
    return difference_from<torch::optim::SGD>(
        torch::optim::SGDOptions(0.05).momentum(momentum).nesterov(nesterov).weight_decay(decay),
        lists, [&](const UpdateLists& now, int64_t) { kernels().sgd(now, {}, rule); });
  }
};

INSTANTIATE_TEST_SUITE_P(Kernels, UpdateKernelsTest,
                         testing::Values(Case{"LoopsFloat64", true, at::kDouble},
                                         Case{"LoopsFloat32", true, at::kFloat},
                                         Case{"TensorsFloat64", false, at::kDouble},
                                         Case{"TensorsFloat32", false, at::kFloat}),
                         [](const auto& test) { return test.param.name; });

TEST_P(UpdateKernelsTest, SgdIsTorchs) {
  EXPECT_LE(sgd_difference(0, false, 0), bound());
  EXPECT_LE(sgd_difference(0, false, 0.1), bound());
}

TEST_P(UpdateKernelsTest, MomentumIsTorchs) {
  EXPECT_LE(sgd_difference(0.9, false, 0), bound());
  EXPECT_LE(sgd_difference(0.9, false, 0.1), bound());
}

TEST_P(UpdateKernelsTest, NesterovIsTorchs) {
  EXPECT_LE(sgd_difference(0.9, true, 0), bound());
  EXPECT_LE(sgd_difference(0.9, true, 0.1), bound());
}

TEST_P(UpdateKernelsTest, AdamIsTorchs) {
  for (const double decay : {0.0, 0.1}) {
    UpdateLists lists;
    lists.values = tensors_of(1, type());
    lists.first = zeros(type());
    lists.second = zeros(type());
    const auto step = [&](const UpdateLists& now, int64_t t) {
      kernels().adam(now, {}, {0.05, 0.8, 0.99, 1e-2, decay, t});
    };
    EXPECT_LE(difference_from<torch::optim::Adam>(
                  torch::optim::AdamOptions(0.05).betas({0.8, 0.99}).eps(1e-2).weight_decay(decay),
                  lists, step),
              bound());
  }
}

TEST_P(UpdateKernelsTest, NormsAreThoseOfAllTensorsInARow) {
  std::vector<at::Tensor> flat;
  for (const at::Tensor& gradient : tensors_of(3, type())) {
    flat.push_back(gradient.flatten().to(at::kDouble));
  }
  const at::Tensor all = at::cat(flat);
  const GradientNorms norms = kernels().norms(tensors_of(3, type()), 0.75);
  const double relative = type() == at::kDouble ? 1e-13 : 1e-6;
  const double whole = all.norm().item<double>();
  EXPECT_NEAR(norms.whole, whole, relative * whole);
  EXPECT_NEAR(norms.clamped, all.clamp(-0.75, 0.75).norm().item<double>(), relative * whole);
  EXPECT_EQ(kernels().norms(tensors_of(3, type()), 0).clamped,
            kernels().norms(tensors_of(3, type()), 0).whole);
}

TEST_P(UpdateKernelsTest, NormsLeaveTheGradientsAsTheyAre) {
  const std::vector<at::Tensor> gradients = tensors_of(3, type());
  kernels().norms(gradients, 0.1);
  EXPECT_EQ(largest_difference(gradients, tensors_of(3, type())), 0);
}

TEST_P(UpdateKernelsTest, OneBadNumberAnywhereShowsInTheNorm) {
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    for (const int64_t place : {int64_t{0}, int64_t{69999}}) {
      std::vector<at::Tensor> gradients = tensors_of(3, type());
      gradients[3][place] = bad;
      EXPECT_FALSE(std::isfinite(kernels().norms(gradients, 0).whole)) << bad << " at " << place;
      EXPECT_FALSE(std::isfinite(kernels().norms(gradients, 1).whole)) << bad << " at " << place;
    }
  }
}

TEST_P(UpdateKernelsTest, ClampsFirstAndScalesThen) {
  const GradientClipping clipping{0.5, 0.25};
  UpdateLists plain, momentum, adam, expected;
  for (UpdateLists* lists : {&plain, &momentum, &adam}) {
    lists->values = zeros(type());
    lists->gradients = tensors_of(4, type());
    lists->first = zeros(type());
    lists->second = zeros(type());
  }
  plain.first.clear();
  kernels().sgd(plain, clipping, {1, 0, 0, false});
  kernels().sgd(momentum, clipping, {1, 0.9, 0, false});
  kernels().adam(adam, clipping, {1, 0, 0.5, 1e-8, 0, 1});
  for (const at::Tensor& gradient : tensors_of(4, type())) {
    expected.values.push_back(-0.25 * gradient.clamp(-0.5, 0.5));
    expected.first.push_back(0.25 * gradient.clamp(-0.5, 0.5));
  }
  EXPECT_LE(largest_difference(plain.values, expected.values), bound());
  EXPECT_LE(largest_difference(momentum.values, expected.values), bound());
  EXPECT_LE(largest_difference(adam.first, expected.first), bound());
}

TEST(LoopKernelsTest, ThreadsDoNotChangeABit) {
  const int threads = at::get_num_threads();
  std::vector<GradientNorms> norms;
  std::vector<UpdateLists> results;
  for (const int count : {1, 2, 3}) {
    at::set_num_threads(count);
    UpdateLists lists;
    lists.values = tensors_of(1, at::kFloat);
    lists.gradients = tensors_of(2, at::kFloat);
    lists.first = tensors_of(3, at::kFloat);
    norms.push_back(loop_kernels().norms(lists.gradients, 0.5));
    loop_kernels().sgd(lists, {}, {0.1, 0.9, 0.01, true});
    results.push_back(lists);
  }
  at::set_num_threads(threads);
  for (const size_t i : {size_t{1}, size_t{2}}) {
    EXPECT_EQ(norms[i].whole, norms[0].whole);
    EXPECT_EQ(norms[i].clamped, norms[0].clamped);
    EXPECT_EQ(largest_difference(results[i].values, results[0].values), 0);
  }
}

}  // namespace
}  // namespace muster::trainer
