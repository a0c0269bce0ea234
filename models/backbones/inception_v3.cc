#include "models/backbones/inception_v3.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/error.h"

namespace muster::models {
namespace {

constexpr double kEpsilon = 1e-3;
constexpr int64_t kAuxiliarySide = 5;  // of the maps before its last convolution

// Blocks are written with the published numbers of channels; `out` scales them.
class ScaledBlock : public InceptionV3Block {
 protected:
  using Unit = std::shared_ptr<ConvolutionUnit>;
  ScaledBlock(int64_t in, double width) : in_(in), width_(width) {}

  int64_t out(int64_t published) const { return scaled_channels(published, width_); }
  Unit add(const char* name, ConvolutionSize size) {
    return register_module(name, std::make_shared<ConvolutionUnit>(size, kEpsilon));
  }
  // From the block's input; `published` channels.
  Unit reduce(const char* name, int64_t published) {
    return add(name, square(in_, out(published), 1));
  }
  Unit pad3(const char* name, int64_t in, int64_t published) {
    return add(name, square(out(in), out(published), 3, 1, 1));
  }
  Unit halve(const char* name, int64_t in, int64_t published) {
    return add(name, square(out(in), out(published), 3, 2));
  }
  // 1 x `length`, padded to keep the size.
  Unit row(const char* name, int64_t in, int64_t published, int64_t length) {
    return add(name, {out(in), out(published), 1, length, 1, 0, length / 2});
  }
  Unit column(const char* name, int64_t in, int64_t published, int64_t length) {
    return add(name, {out(in), out(published), length, 1, 1, length / 2, 0});
  }

  const int64_t in_;

 private:
  const double width_;
};

// The places beyond the border count.
at::Tensor average(const at::Tensor& maps) { return at::avg_pool2d(maps, {3, 3}, {1, 1}, {1, 1}); }
at::Tensor halved(const at::Tensor& maps) { return at::max_pool2d(maps, {3, 3}, {2, 2}); }

class BlockA : public ScaledBlock {
 public:
  BlockA(int64_t in, double width, int64_t pooled)
      : ScaledBlock(in, width),
        single_(reduce("branch1x1", 64)),
        five1_(reduce("branch5x5_1", 48)),
        five2_(add("branch5x5_2", square(out(48), out(64), 5, 1, 2))),
        double1_(reduce("branch3x3dbl_1", 64)),
        double2_(pad3("branch3x3dbl_2", 64, 96)),
        double3_(pad3("branch3x3dbl_3", 96, 96)),
        pool_(reduce("branch_pool", pooled)) {}
  at::Tensor forward(const at::Tensor& maps, const ForwardContext& context) override {
    const at::Tensor single = single_->forward(maps, context);
    const at::Tensor five = five2_->forward(five1_->forward(maps, context), context);
    at::Tensor doubled = double2_->forward(double1_->forward(maps, context), context);
    doubled = double3_->forward(doubled, context);
    return at::cat({single, five, doubled, pool_->forward(average(maps), context)}, 1);
  }

 private:
  Unit single_, five1_, five2_, double1_, double2_, double3_, pool_;
};

class BlockB : public ScaledBlock {
 public:
  BlockB(int64_t in, double width)
      : ScaledBlock(in, width),
        three_(add("branch3x3", square(in, out(384), 3, 2))),
        double1_(reduce("branch3x3dbl_1", 64)),
        double2_(pad3("branch3x3dbl_2", 64, 96)),
        double3_(halve("branch3x3dbl_3", 96, 96)) {}
  at::Tensor forward(const at::Tensor& maps, const ForwardContext& context) override {
    const at::Tensor three = three_->forward(maps, context);
    at::Tensor doubled = double2_->forward(double1_->forward(maps, context), context);
    doubled = double3_->forward(doubled, context);
    return at::cat({three, doubled, halved(maps)}, 1);
  }

 private:
  Unit three_, double1_, double2_, double3_;
};

class BlockC : public ScaledBlock {
 public:
  BlockC(int64_t in, double width, int64_t inner)
      : ScaledBlock(in, width),
        single_(reduce("branch1x1", 192)),
        seven1_(reduce("branch7x7_1", inner)),
        seven2_(row("branch7x7_2", inner, inner, 7)),
        seven3_(column("branch7x7_3", inner, 192, 7)),
        double1_(reduce("branch7x7dbl_1", inner)),
        double2_(column("branch7x7dbl_2", inner, inner, 7)),
        double3_(row("branch7x7dbl_3", inner, inner, 7)),
        double4_(column("branch7x7dbl_4", inner, inner, 7)),
        double5_(row("branch7x7dbl_5", inner, 192, 7)),
        pool_(reduce("branch_pool", 192)) {}
  at::Tensor forward(const at::Tensor& maps, const ForwardContext& context) override {
    const at::Tensor single = single_->forward(maps, context);
    at::Tensor seven = seven2_->forward(seven1_->forward(maps, context), context);
    seven = seven3_->forward(seven, context);
    at::Tensor doubled = double2_->forward(double1_->forward(maps, context), context);
    doubled = double4_->forward(double3_->forward(doubled, context), context);
    doubled = double5_->forward(doubled, context);
    return at::cat({single, seven, doubled, pool_->forward(average(maps), context)}, 1);
  }

 private:
  Unit single_, seven1_, seven2_, seven3_, double1_, double2_, double3_, double4_, double5_, pool_;
};

class BlockD : public ScaledBlock {
 public:
  BlockD(int64_t in, double width)
      : ScaledBlock(in, width),
        three1_(reduce("branch3x3_1", 192)),
        three2_(halve("branch3x3_2", 192, 320)),
        seven1_(reduce("branch7x7x3_1", 192)),
        seven2_(row("branch7x7x3_2", 192, 192, 7)),
        seven3_(column("branch7x7x3_3", 192, 192, 7)),
        seven4_(halve("branch7x7x3_4", 192, 192)) {}
  at::Tensor forward(const at::Tensor& maps, const ForwardContext& context) override {
    const at::Tensor three = three2_->forward(three1_->forward(maps, context), context);
    at::Tensor seven = seven2_->forward(seven1_->forward(maps, context), context);
    seven = seven4_->forward(seven3_->forward(seven, context), context);
    return at::cat({three, seven, halved(maps)}, 1);
  }

 private:
  Unit three1_, three2_, seven1_, seven2_, seven3_, seven4_;
};

class BlockE : public ScaledBlock {
 public:
  BlockE(int64_t in, double width)
      : ScaledBlock(in, width),
        single_(reduce("branch1x1", 320)),
        three1_(reduce("branch3x3_1", 384)),
        three_row_(row("branch3x3_2a", 384, 384, 3)),
        three_column_(column("branch3x3_2b", 384, 384, 3)),
        double1_(reduce("branch3x3dbl_1", 448)),
        double2_(pad3("branch3x3dbl_2", 448, 384)),
        double_row_(row("branch3x3dbl_3a", 384, 384, 3)),
        double_column_(column("branch3x3dbl_3b", 384, 384, 3)),
        pool_(reduce("branch_pool", 192)) {}
  at::Tensor forward(const at::Tensor& maps, const ForwardContext& context) override {
    const at::Tensor single = single_->forward(maps, context);
    const at::Tensor three = three1_->forward(maps, context);
    const at::Tensor doubled = double2_->forward(double1_->forward(maps, context), context);
    return at::cat(
        {single, three_row_->forward(three, context), three_column_->forward(three, context),
         double_row_->forward(doubled, context), double_column_->forward(doubled, context),
         pool_->forward(average(maps), context)},
        1);
  }

 private:
  Unit single_, three1_, three_row_, three_column_;
  Unit double1_, double2_, double_row_, double_column_, pool_;
};

}  // namespace

InceptionV3::InceptionV3(double width, int64_t classes) {
  const auto scaled = [&](int64_t channels) { return scaled_channels(channels, width); };
  // Of concatenated branches, each scaled by itself.
  const auto sum = [&](std::initializer_list<int64_t> branches) {
    int64_t channels = 0;
    for (const int64_t branch : branches) channels += scaled(branch);
    return channels;
  };
  const auto unit = [&](const char* name, ConvolutionSize size) {
    return register_module(name, std::make_shared<ConvolutionUnit>(size, kEpsilon));
  };
  stem1_ = unit("Conv2d_1a_3x3", square(3, scaled(32), 3, 2));
  stem2_ = unit("Conv2d_2a_3x3", square(scaled(32), scaled(32), 3));
  stem3_ = unit("Conv2d_2b_3x3", square(scaled(32), scaled(64), 3, 1, 1));
  stem4_ = unit("Conv2d_3b_1x1", square(scaled(64), scaled(80), 1));
  stem5_ = unit("Conv2d_4a_3x3", square(scaled(80), scaled(192), 3));

  auto* blocks = &until_middle_;
  const auto block = [&](const char* name, const std::shared_ptr<InceptionV3Block>& made) {
    blocks->push_back(register_module(name, made));
  };
  const int64_t after_5b = sum({64, 64, 96, 32}), after_5c = sum({64, 64, 96, 64});
  const int64_t middle = sum({192, 192, 192, 192});
  block("Mixed_5b", std::make_shared<BlockA>(scaled(192), width, 32));
  block("Mixed_5c", std::make_shared<BlockA>(after_5b, width, 64));
  block("Mixed_5d", std::make_shared<BlockA>(after_5c, width, 64));
  block("Mixed_6a", std::make_shared<BlockB>(after_5c, width));
  block("Mixed_6b", std::make_shared<BlockC>(sum({384, 96}) + after_5c, width, 128));
  block("Mixed_6c", std::make_shared<BlockC>(middle, width, 160));
  block("Mixed_6d", std::make_shared<BlockC>(middle, width, 160));
  block("Mixed_6e", std::make_shared<BlockC>(middle, width, 192));
  if (classes > 0) {
    auxiliary_ = register_module("AuxLogits", std::make_shared<torch::nn::Module>());
    auxiliary_reduction_ = auxiliary_->register_module(
        "conv0", std::make_shared<ConvolutionUnit>(square(middle, scaled(128), 1), kEpsilon));
    auxiliary_convolution_ = auxiliary_->register_module(
        "conv1", std::make_shared<ConvolutionUnit>(square(scaled(128), scaled(768), kAuxiliarySide),
                                                   kEpsilon));
    auxiliary_classifier_ =
        auxiliary_->register_module("fc", torch::nn::Linear(scaled(768), classes));
  }
  blocks = &after_middle_;
  channels_ = sum({320, 384, 384, 384, 384, 192});
  block("Mixed_7a", std::make_shared<BlockD>(middle, width));
  block("Mixed_7b", std::make_shared<BlockE>(sum({320, 192}) + middle, width));
  block("Mixed_7c", std::make_shared<BlockE>(channels_, width));
}

InceptionV3Maps InceptionV3::forward(const at::Tensor& images, const ForwardContext& context) {
  MUSTER_REQUIRE(images.size(2), >=, kSmallestInput);
  MUSTER_REQUIRE(images.size(3), >=, kSmallestInput);
  at::Tensor maps = stem1_->forward(images, context);  // [images, 32, 149, 149]
  maps = stem2_->forward(maps, context);               // 147
  maps = halved(stem3_->forward(maps, context));       // [images, 64, 73, 73]
  maps = stem4_->forward(maps, context);
  maps = halved(stem5_->forward(maps, context));  // [images, 192, 35, 35]
  for (const auto& block : until_middle_) maps = block->forward(maps, context);
  InceptionV3Maps result;
  result.middle = maps;  // [images, 768, 17, 17]
  for (const auto& block : after_middle_) maps = block->forward(maps, context);
  result.last = maps;  // [images, 2048, 8, 8]
  return result;
}

at::Tensor InceptionV3::auxiliary_logits(const at::Tensor& middle, const ForwardContext& context) {
  MUSTER_REQUIRE(auxiliary_ != nullptr, ==, true);
  constexpr int64_t kSmallest = 5 + 3 * (kAuxiliarySide - 1);  // 17: gives 5 places
  const bool small = std::min(middle.size(2), middle.size(3)) < kSmallest;
  at::Tensor maps = small ? at::adaptive_avg_pool2d(middle, {kAuxiliarySide, kAuxiliarySide})
                          : at::avg_pool2d(middle, {5, 5}, {3, 3});
  maps = auxiliary_reduction_->forward(maps, context);
  maps = auxiliary_convolution_->forward(maps, context);
  return auxiliary_classifier_(maps.mean({2, 3}));
}

int64_t InceptionV3::map_size(int64_t input) {
  const auto halved_size = [](int64_t size) { return (size - 1) / 2; };
  int64_t size = halved_size(input) - 2;  // 1a, 2a
  size = halved_size(size) - 2;           // pool, 4a
  size = halved_size(size);               // pool
  return halved_size(halved_size(size));  // 6a, 7a
}

}  // namespace muster::models
