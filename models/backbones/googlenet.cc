#include "models/backbones/googlenet.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/layers/convolution.h"
#include "models/layers/local_response_norm.h"

namespace muster::models {
namespace {

constexpr double kGoogLeNetEpsilon = 1e-3;

at::Tensor googlenet_pool(const at::Tensor& maps, int64_t kernel = 3) {
  return at::max_pool2d(maps, {kernel, kernel}, {2, 2}, {0, 0}, {1, 1}, /*ceil_mode=*/true);
}

}  // namespace

// Convolution, batch norm or bias, ReLU.
class GoogLeNetConvolution : public torch::nn::Module {
 public:
  GoogLeNetConvolution(const ConvolutionSize& size, bool v1)
      : conv_(register_module("conv", convolution(size, /*bias=*/v1))) {
    if (!v1) bn_ = register_module("bn", std::make_shared<BatchNorm>(size.out, kGoogLeNetEpsilon));
  }
  at::Tensor forward(const at::Tensor& maps, const ForwardContext& context) {
    const at::Tensor values = conv_(maps);
    return (bn_ ? bn_->forward(values, context) : values).relu_();
  }

 private:
  torch::nn::Conv2d conv_;
  std::shared_ptr<BatchNorm> bn_;
};

// Convolutions one after the other, named by their place as in torch's Sequential.
class GoogLeNetBranch : public torch::nn::Module {
 public:
  GoogLeNetBranch(std::initializer_list<ConvolutionSize> sizes, bool v1, int first_name = 0) {
    for (const ConvolutionSize& size : sizes) {
      convolutions_.push_back(register_module(std::to_string(first_name++),
                                              std::make_shared<GoogLeNetConvolution>(size, v1)));
    }
  }
  at::Tensor forward(at::Tensor maps, const ForwardContext& context) {
    for (const auto& convolution : convolutions_) maps = convolution->forward(maps, context);
    return maps;
  }

 private:
  std::vector<std::shared_ptr<GoogLeNetConvolution>> convolutions_;
};

namespace {

InceptionChannels scaled_inception(const InceptionChannels& sizes, double width) {
  return {scaled_channels(sizes.one, width),   scaled_channels(sizes.three_reduce, width),
          scaled_channels(sizes.three, width), scaled_channels(sizes.five_reduce, width),
          scaled_channels(sizes.five, width),  scaled_channels(sizes.pool, width)};
}

int64_t inception_outputs(const InceptionChannels& sizes) {
  return sizes.one + sizes.three + sizes.five + sizes.pool;
}

}  // namespace

class GoogLeNetInception : public torch::nn::Module {
 public:
  GoogLeNetInception(int64_t in, const InceptionChannels& sizes, bool v1) {
    const int64_t large = v1 ? 5 : 3;  // what torchvision has in place of the paper's 5x5
    one_ = register_module("branch1",
                           std::make_shared<GoogLeNetConvolution>(square(in, sizes.one, 1), v1));
    three_ = branch(
        "branch2",
        {square(in, sizes.three_reduce, 1), square(sizes.three_reduce, sizes.three, 3, 1, 1)}, v1);
    five_ = branch("branch3",
                   {square(in, sizes.five_reduce, 1),
                    square(sizes.five_reduce, sizes.five, large, 1, large / 2)},
                   v1);
    // Name 0 is the pool's, which has no weights.
    pool_ = branch("branch4", {square(in, sizes.pool, 1)}, v1, 1);
  }
  at::Tensor forward(const at::Tensor& maps, const ForwardContext& context) {
    const at::Tensor largest = at::max_pool2d(maps, {3, 3}, {1, 1}, {1, 1});
    return at::cat({one_->forward(maps, context), three_->forward(maps, context),
                    five_->forward(maps, context), pool_->forward(largest, context)},
                   1);
  }

 private:
  std::shared_ptr<GoogLeNetBranch> branch(const std::string& name,
                                          std::initializer_list<ConvolutionSize> sizes, bool v1,
                                          int first_name = 0) {
    return register_module(name, std::make_shared<GoogLeNetBranch>(sizes, v1, first_name));
  }

  std::shared_ptr<GoogLeNetConvolution> one_;
  std::shared_ptr<GoogLeNetBranch> three_, five_, pool_;
};

GoogLeNet::GoogLeNet(const GoogLeNetOptions& options) : options_(options) {
  const int64_t first = scaled_channels(64, options.width);
  int64_t channels = scaled_channels(192, options.width);
  if (options.stem) {
    const auto unit = [&](const std::string& name, const ConvolutionSize& size) {
      return register_module(name, std::make_shared<GoogLeNetConvolution>(size, options.v1));
    };
    conv1_ = unit("conv1", square(3, first, 7, 2, 3));
    conv2_ = unit("conv2", square(first, first, 1));
    conv3_ = unit("conv3", square(first, channels, 3, 1, 1));
  }
  stage3_ = blocks(3, {{64, 96, 128, 16, 32, 32}, {128, 128, 192, 32, 96, 64}}, channels);
  stage4_ = blocks(4,
                   {{192, 96, 208, 16, 48, 64},
                    {160, 112, 224, 24, 64, 64},
                    {128, 128, 256, 24, 64, 64},
                    {112, 144, 288, 32, 64, 64},
                    {256, 160, 320, 32, 128, 128}},
                   channels);
  middle_channels_ = channels;
  stage5_ = blocks(5, {{256, 160, 320, 32, 128, 128}, {384, 192, 384, 48, 128, 128}}, channels);
  channels_ = channels;
}

GoogLeNet::Blocks GoogLeNet::blocks(int stage, const std::vector<InceptionChannels>& sizes,
                                    int64_t& channels) {
  Blocks blocks;
  char letter = 'a';
  for (const InceptionChannels& size : sizes) {
    const InceptionChannels own = scaled_inception(size, options_.width);
    const std::string name = "inception" + std::to_string(stage) + letter++;
    blocks.push_back(
        register_module(name, std::make_shared<GoogLeNetInception>(channels, own, options_.v1)));
    channels = inception_outputs(own);
  }
  return blocks;
}

at::Tensor GoogLeNet::convs(const at::Tensor& images, const ForwardContext& context) {
  MUSTER_REQUIRE(options_.stem, ==, true);
  MUSTER_REQUIRE(images.size(2) % 32, ==, 0);
  MUSTER_REQUIRE(images.size(3) % 32, ==, 0);
  at::Tensor maps = googlenet_pool(conv1_->forward(images, context));
  if (options_.v1) maps = local_response_norm(maps);
  maps = conv3_->forward(conv2_->forward(maps, context), context);
  return options_.v1 ? local_response_norm(maps) : maps;
}

at::Tensor GoogLeNet::inception1(const at::Tensor& maps, const ForwardContext& context) {
  at::Tensor values = googlenet_pool(maps);
  for (const auto& block : stage3_) values = block->forward(values, context);
  return values;
}

at::Tensor GoogLeNet::inception2(const at::Tensor& maps, const ForwardContext& context) {
  at::Tensor values = googlenet_pool(maps);
  for (const auto& block : stage4_) values = block->forward(values, context);
  return values;
}

at::Tensor GoogLeNet::inception3(const at::Tensor& maps, const ForwardContext& context) {
  at::Tensor values = googlenet_pool(maps, options_.v1 ? 3 : 2);
  for (const auto& block : stage5_) values = block->forward(values, context);
  return values;
}

}  // namespace muster::models
