// The spatial recurrent model (SRM) of See the Forest for the Trees (Zhou et al. 2017, section
// 3.3): whether two clips show one person, from the difference of their maps.
#pragma once

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/rnn.h>

#include <string>
#include <vector>

#include "models/model.h"

namespace muster::models {

struct SpatialRecurrenceSize {
  int64_t in = 256;                           // channels of the frames' maps
  int64_t frames = 6, height = 6, width = 6;  // of a clip's maps
  int64_t channels = 64;                      // of the reduced maps; units of each sweep's LSTM
  int64_t hidden = 512;                       // of the full layer
  double dropout = 0.5;                       // behind it
  bool sweeps = true;                         // without: CNN+DIFF
};

// D = maps of the first clip - maps of the second, frame by frame: a volume of places (t, y, x)
// X = ReLU(difference(D)), 1x1, 256 -> 64
// six LSTMs, 64 -> 64, read X along time, x and y, each forwards and backwards, every line of
// places by itself; Y = ReLU(context of the six outputs), 1x1, 384 -> 64
// logits = output(dropout(ReLU(hidden(Y)))): "two persons", "one person"
// Without sweeps Y = X. Parameters: difference, context, hidden, output (weight, bias each);
// time, horizontal, vertical: LSTMs of two directions, whose _reverse runs from the last frame, the
// right or the bottom. `hidden` reads places in order t, y, x and the channels of a place together.
class SpatialRecurrence : public torch::nn::Module {
 public:
  explicit SpatialRecurrence(const SpatialRecurrenceSize& size);

  // difference.weight applied to [clips * frames, in, height, width]; being linear, it may go
  // before the difference: -> [clips, frames, height, width, channels].
  at::Tensor reduced(const at::Tensor& maps);

  // Of what reduced() gave for the clips of every pair: [pairs, 2]. Dropout follows the pairs'
  // keys.
  at::Tensor logits(const at::Tensor& first, const at::Tensor& second,
                    const ForwardContext& context);

  // Y from X, [pairs, frames, height, width, channels] both. With sweeps only.
  at::Tensor swept(const at::Tensor& volume);

 private:
  const SpatialRecurrenceSize size_;
  torch::nn::Linear difference_{nullptr}, context_{nullptr}, hidden_{nullptr}, output_{nullptr};
  torch::nn::LSTM time_{nullptr}, horizontal_{nullptr}, vertical_{nullptr};
};

}  // namespace muster::models
