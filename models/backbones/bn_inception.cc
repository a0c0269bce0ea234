#include "models/backbones/bn_inception.h"

#include <ATen/ATen.h>

#include "common/error.h"

namespace muster::models {
namespace {

constexpr size_t kBlock3c = 2;  // among the low ones
constexpr double kBnInceptionEpsilon = 1e-5;
constexpr int64_t kStemChannels = 192;

// Published channels; `one` 0: the block halves the map. `average` is the kind of pool before the
// projection.
struct BnInceptionSizes {
  const char* name;
  int64_t one, three_reduce, three, double_reduce, doubled;
  bool average;
  int64_t pool;
};

constexpr BnInceptionSizes kBnInceptionBlocks[] = {
    {"3a", 64, 64, 64, 64, 96, true, 32},       {"3b", 64, 64, 96, 64, 96, true, 64},
    {"3c", 0, 128, 160, 64, 96, false, 0},      {"4a", 224, 64, 96, 96, 128, true, 128},
    {"4b", 192, 96, 128, 96, 128, true, 128},   {"4c", 160, 128, 160, 128, 160, true, 96},
    {"4d", 96, 128, 192, 160, 192, true, 96},   {"4e", 0, 128, 192, 192, 256, false, 0},
    {"5a", 352, 192, 320, 160, 224, true, 128}, {"5b", 352, 192, 320, 192, 224, false, 128}};

int64_t bn_inception_outputs(const BnInceptionSizes& sizes, int64_t in, double width) {
  const int64_t convolved =
      scaled_channels(sizes.three, width) + scaled_channels(sizes.doubled, width);
  if (sizes.one == 0) return convolved + in;
  return convolved + scaled_channels(sizes.one, width) + scaled_channels(sizes.pool, width);
}

at::Tensor bn_inception_halved(const at::Tensor& maps) {
  return at::max_pool2d(maps, {3, 3}, {2, 2}, {0, 0}, {1, 1}, /*ceil_mode=*/true);
}

at::Tensor through_units(const std::vector<std::shared_ptr<ConvolutionUnit>>& units,
                         at::Tensor maps, const ForwardContext& context) {
  for (const auto& unit : units) maps = unit->forward(maps, context);
  return maps;
}

}  // namespace

BnInceptionBlock::BnInceptionBlock(const std::string& name, double width) {
  int64_t in = scaled_channels(kStemChannels, width);
  const BnInceptionSizes* sizes = nullptr;
  for (const BnInceptionSizes& block : kBnInceptionBlocks) {
    sizes = &block;
    if (name == block.name) break;
    in = bn_inception_outputs(block, in, width);
  }
  MUSTER_REQUIRE(name, ==, std::string(sizes->name));
  const auto scaled = [&](int64_t channels) { return scaled_channels(channels, width); };
  halves_ = sizes->one == 0;
  average_ = sizes->average;
  channels_ = bn_inception_outputs(*sizes, in, width);
  const int64_t stride = halves_ ? 2 : 1;
  const int64_t three_reduce = scaled(sizes->three_reduce), three = scaled(sizes->three);
  const int64_t double_reduce = scaled(sizes->double_reduce), doubled = scaled(sizes->doubled);
  const auto chain = [&](const std::string& branch, Units units) {
    const auto holder = register_module(branch, std::make_shared<torch::nn::Module>());
    for (size_t i = 0; i < units.size(); ++i) {
      holder->register_module(std::to_string(i), units[i]);
    }
    return units;
  };
  const auto made = [](const ConvolutionSize& size) {
    return std::make_shared<ConvolutionUnit>(size, kBnInceptionEpsilon);
  };
  if (!halves_) one_ = register_module("one", made(square(in, scaled(sizes->one), 1)));
  three_ = chain("three", {made(square(in, three_reduce, 1)),
                           made(square(three_reduce, three, 3, stride, 1))});
  double_ = chain(
      "double", {made(square(in, double_reduce, 1)), made(square(double_reduce, doubled, 3, 1, 1)),
                 made(square(doubled, doubled, 3, stride, 1))});
  if (!halves_) pool_ = register_module("pool", made(square(in, scaled(sizes->pool), 1)));
}

int64_t BnInceptionBlock::channels_of(const std::string& name, double width) {
  int64_t channels = scaled_channels(kStemChannels, width);
  for (const BnInceptionSizes& block : kBnInceptionBlocks) {
    channels = bn_inception_outputs(block, channels, width);
    if (name == block.name) return channels;
  }
  MUSTER_REQUIRE(name, ==, std::string("a block"));
  return 0;
}

at::Tensor BnInceptionBlock::forward(const at::Tensor& maps, const ForwardContext& context) {
  const at::Tensor three = through_units(three_, maps, context);
  const at::Tensor doubled = through_units(double_, maps, context);
  if (halves_) {
    MUSTER_REQUIRE(maps.size(2) % 2, ==, 0);
    MUSTER_REQUIRE(maps.size(3) % 2, ==, 0);
    return at::cat({three, doubled, bn_inception_halved(maps)}, 1);
  }
  // Places beyond the border count in the average.
  const at::Tensor pooled = average_ ? at::avg_pool2d(maps, {3, 3}, {1, 1}, {1, 1})
                                     : at::max_pool2d(maps, {3, 3}, {1, 1}, {1, 1});
  return at::cat({one_->forward(maps, context), three, doubled, pool_->forward(pooled, context)},
                 1);
}

BnInceptionLow::BnInceptionLow(double width) {
  const int64_t first = scaled_channels(64, width);
  const auto unit = [&](const std::string& name, const ConvolutionSize& size) {
    return register_module(name, std::make_shared<ConvolutionUnit>(size, kBnInceptionEpsilon));
  };
  conv1_ = unit("conv1", square(3, first, 7, 2, 3));
  conv2_reduce_ = unit("conv2_reduce", square(first, first, 1));
  conv2_ = unit("conv2", square(first, scaled_channels(kStemChannels, width), 3, 1, 1));
  for (const char* name : {"3a", "3b", "3c", "4a", "4b"}) {
    blocks_.push_back(register_module(std::string("inception") + name,
                                      std::make_shared<BnInceptionBlock>(name, width)));
  }
  low_channels_ = blocks_.back()->channels();
}

at::Tensor BnInceptionLow::forward_low(const at::Tensor& images, const ForwardContext& context,
                                       at::Tensor* after_3c) {
  MUSTER_REQUIRE(images.size(2) % 32, ==, 0);
  MUSTER_REQUIRE(images.size(3) % 32, ==, 0);
  at::Tensor maps = bn_inception_halved(conv1_->forward(images, context));  // [images, 64, 56, 56]
  maps = conv2_->forward(conv2_reduce_->forward(maps, context), context);
  maps = bn_inception_halved(maps);  // [images, 192, 28, 28]
  for (size_t i = 0; i < blocks_.size(); ++i) {
    maps = blocks_[i]->forward(maps, context);
    if (after_3c != nullptr && i == kBlock3c) *after_3c = maps;
  }
  return maps;
}

BnInception::BnInception(double width)
    : BnInceptionLow(width),
      inception4c(register_module("inception4c", std::make_shared<BnInceptionBlock>("4c", width))),
      inception4d(register_module("inception4d", std::make_shared<BnInceptionBlock>("4d", width))),
      inception4e(register_module("inception4e", std::make_shared<BnInceptionBlock>("4e", width))),
      inception5a(register_module("inception5a", std::make_shared<BnInceptionBlock>("5a", width))),
      inception5b(register_module("inception5b", std::make_shared<BnInceptionBlock>("5b", width))),
      channels_(inception5b->channels()) {}

at::Tensor BnInception::forward(const at::Tensor& images, const ForwardContext& context) {
  at::Tensor maps = forward_low(images, context);
  for (const auto* block : {&inception4c, &inception4d, &inception4e, &inception5a, &inception5b}) {
    maps = (*block)->forward(maps, context);
  }
  return maps;
}

}  // namespace muster::models
