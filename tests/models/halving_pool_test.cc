// Against at::max_pool2d, and by hand where pixels are equal or not numbers.
#include "models/layers/halving_pool.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace muster::models {
namespace {

struct Pooled {
  at::Tensor out, gradient;
};

Pooled pooled(const at::Tensor& maps, at::Tensor (*pool)(const at::Tensor&)) {
  const at::Tensor leaf = maps.clone().requires_grad_(true);
  const at::Tensor out = pool(leaf);
  // Another factor for each, so that no gradient can be confused with another's.
  (out * at::arange(1, out.numel() + 1, out.options()).view(out.sizes())).sum().backward();
  return {out.detach(), leaf.grad()};
}

at::Tensor reference(const at::Tensor& maps) { return at::max_pool2d(maps, {2, 2}); }

TEST(HalvingPool, IsMaxPoolWithItsGradientForEvenAndOddSizes) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (const auto& [height, width] : {std::pair{60, 44}, {21, 17}, {2, 3}, {7, 2}, {34, 5}}) {
      // Few values: squares have equal pixels.
      const at::Tensor maps =
          at::randint(-2, 3, {3, 2, height, width}, at::TensorOptions(type)) / 4;
      const Pooled ours = pooled(maps, &halving_pool), theirs = pooled(maps, &reference);
      EXPECT_TRUE(at::equal(ours.out, theirs.out)) << height << " x " << width;
      EXPECT_TRUE(at::equal(ours.gradient, theirs.gradient)) << height << " x " << width;
    }
  }
}

TEST(HalvingPool, TakesTheFirstOfEqualPixelsAndAnyNaN) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor maps = at::tensor({1.f, 1.f, 0.f, 2.f, nan, 5.f,  //
                                      1.f, 1.f, 2.f, 1.f, 9.f, 3.f})
                              .view({1, 1, 2, 6});
  const Pooled found = pooled(maps, &halving_pool);
  EXPECT_EQ(found.out[0][0][0][0].item<float>(), 1);
  EXPECT_EQ(found.out[0][0][0][1].item<float>(), 2);
  EXPECT_TRUE(std::isnan(found.out[0][0][0][2].item<float>()));
  const at::Tensor expected =
      at::tensor({1.f, 0.f, 0.f, 2.f, 3.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f}).view({1, 1, 2, 6});
  EXPECT_TRUE(at::equal(found.gradient, expected)) << found.gradient;
}

TEST(HalvingPool, TakesMapsThatLieOtherwiseInMemory) {
  const at::Tensor maps = at::randn({2, 3, 6, 8}).contiguous(at::MemoryFormat::ChannelsLast);
  const Pooled ours = pooled(maps, &halving_pool), theirs = pooled(maps, &reference);
  EXPECT_TRUE(at::equal(ours.out, theirs.out));
  EXPECT_TRUE(at::equal(ours.gradient, theirs.gradient));
}

TEST(HalvingPool, TakesNoImages) {
  EXPECT_EQ(halving_pool(at::zeros({0, 3, 6, 8})).sizes(), at::IntArrayRef({0, 3, 3, 4}));
}

}  // namespace
}  // namespace muster::models
