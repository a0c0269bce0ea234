#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/error.h"
#include "trainer/update_kernels.h"

namespace muster::trainer {
namespace {

// Pieces do not depend on the threads, so neither do sums over them.
constexpr int64_t kPieceElements = 1 << 16;

struct Piece {
  size_t parameter;
  int64_t begin, elements;
};

std::vector<Piece> pieces_of(const std::vector<at::Tensor>& tensors) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t all = tensors[i].numel();
    for (int64_t begin = 0; begin < all; begin += kPieceElements) {
      pieces.push_back({i, begin, std::min(kPieceElements, all - begin)});
    }
  }
  return pieces;
}

template <typename T>
T* elements_of(const at::Tensor& tensor, const Piece& piece) {
  return static_cast<T*>(tensor.data_ptr()) + piece.begin;
}

// `work(piece index, piece, a T)` for every piece, T the type of its elements.
template <typename Work>
void for_each_piece(const std::vector<at::Tensor>& tensors, const Work& work) {
  const std::vector<Piece> pieces = pieces_of(tensors);
  at::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      if (tensors[pieces[i].parameter].scalar_type() == at::kFloat) {
        work(i, pieces[i], float());
      } else {
        work(i, pieces[i], double());
      }
    }
  });
}

void require_loopable(const std::vector<at::Tensor>& tensors) {
  for (const at::Tensor& tensor : tensors) {
    MUSTER_REQUIRE(tensor.is_contiguous(), ==, true);
    MUSTER_REQUIRE(tensor.device().is_cpu(), ==, true);
    const bool known = tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kDouble;
    MUSTER_REQUIRE(known, ==, true);
  }
}

// What a rule reads of the gradient; T is the type of its elements.
template <typename T>
struct Clipped {
  explicit Clipped(const GradientClipping& clipping)
      : limit(clipping.clamp > 0 ? static_cast<T>(clipping.clamp)
                                 : std::numeric_limits<T>::infinity()),
        scale(static_cast<T>(clipping.scale)) {}
  T operator()(T gradient) const {
    gradient = gradient < -limit ? -limit : gradient;
    return scale * (gradient > limit ? limit : gradient);
  }
  const T limit, scale;
};

// Sums of squares of the gradient and of the clamped gradient.
struct Squares {
  double whole = 0, clamped = 0;
};

// Sums of the type itself over a few elements each, side by side as vector instructions make them;
// from block to block in float64.
constexpr int64_t kLanes = 16, kBlockElements = 64 * kLanes;

template <typename T, typename Read>
double sum_of_squares(const T* gradient, int64_t elements, const Read& read) {
  double sum = 0;
  for (int64_t begin = 0; begin < elements; begin += kBlockElements) {
    const int64_t end = std::min(elements, begin + kBlockElements);
    T lanes[kLanes] = {};
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        const T value = read(gradient[i + lane]);
        lanes[lane] += value * value;
      }
    }
    for (; i < end; ++i) lanes[0] += read(gradient[i]) * read(gradient[i]);
    for (const T lane : lanes) sum += lane;
  }
  return sum;
}

template <typename T>
Squares squares_of(const T* gradient, int64_t elements, double clamp) {
  const double whole = sum_of_squares(gradient, elements, [](T value) { return value; });
  if (clamp <= 0) return {whole, whole};
  return {whole, sum_of_squares(gradient, elements, Clipped<T>({clamp, 1}))};
}

template <typename T>
void sgd_piece(T* __restrict value, const T* __restrict gradient, T* __restrict momentum,
               int64_t elements, const Clipped<T>& clipped, const SgdRule& rule) {
  const T rate = static_cast<T>(rule.rate), factor = static_cast<T>(rule.momentum_factor),
          decay = static_cast<T>(rule.weight_decay);
  // The step: of_gradient * g + of_momentum * momentum'.
  const T of_gradient = static_cast<T>(rule.nesterov ? 1 : 0);
  const T of_momentum = rule.nesterov ? factor : T(1);
  for (int64_t i = 0; i < elements; ++i) {
    const T g = clipped(gradient[i]) + decay * value[i];
    const T moved = factor * momentum[i] + g;
    momentum[i] = moved;
    value[i] -= rate * (of_gradient * g + of_momentum * moved);
  }
}

template <typename T>
void plain_piece(T* __restrict value, const T* __restrict gradient, int64_t elements,
                 const Clipped<T>& clipped, const SgdRule& rule) {
  const T rate = static_cast<T>(rule.rate), decay = static_cast<T>(rule.weight_decay);
  for (int64_t i = 0; i < elements; ++i) {
    value[i] -= rate * (clipped(gradient[i]) + decay * value[i]);
  }
}

template <typename T>
void adam_piece(T* __restrict value, const T* __restrict gradient, T* __restrict first,
                T* __restrict second, int64_t elements, const Clipped<T>& clipped,
                const AdamRule& rule) {
  const double steps = static_cast<double>(rule.step);
  const T rate = static_cast<T>(rule.rate / (1 - std::pow(rule.beta1, steps))),
          root = static_cast<T>(1 / std::sqrt(1 - std::pow(rule.beta2, steps))),
          beta1 = static_cast<T>(rule.beta1), beta2 = static_cast<T>(rule.beta2),
          rest1 = static_cast<T>(1 - rule.beta1), rest2 = static_cast<T>(1 - rule.beta2),
          epsilon = static_cast<T>(rule.epsilon), decay = static_cast<T>(rule.weight_decay);
  for (int64_t i = 0; i < elements; ++i) {
    const T g = clipped(gradient[i]) + decay * value[i];
    const T mean = beta1 * first[i] + rest1 * g;
    const T square = beta2 * second[i] + rest2 * g * g;
    first[i] = mean;
    second[i] = square;
    value[i] -= rate * mean / (std::sqrt(square) * root + epsilon);
  }
}

class LoopKernels : public UpdateKernels {
 public:
  GradientNorms norms(const std::vector<at::Tensor>& gradients, double clamp) const override {
    require_loopable(gradients);
    std::vector<Squares> sums(pieces_of(gradients).size());
    for_each_piece(gradients, [&](size_t i, const Piece& piece, auto type) {
      using T = decltype(type);
      sums[i] = squares_of(elements_of<const T>(gradients[piece.parameter], piece), piece.elements,
                           clamp);
    });
    Squares all;
    for (const Squares& sum : sums) {
      all.whole += sum.whole;
      all.clamped += sum.clamped;
    }
    return {std::sqrt(all.whole), std::sqrt(all.clamped)};
  }

  void sgd(const UpdateLists& lists, const GradientClipping& clipping,
           const SgdRule& rule) const override {
    require_loopable(lists.values);
    require_loopable(lists.gradients);
    for_each_piece(lists.values, [&](size_t, const Piece& piece, auto type) {
      using T = decltype(type);
      T* value = elements_of<T>(lists.values[piece.parameter], piece);
      const T* gradient = elements_of<const T>(lists.gradients[piece.parameter], piece);
      const Clipped<T> clipped(clipping);
      if (lists.first.empty()) {
        plain_piece(value, gradient, piece.elements, clipped, rule);
      } else {
        sgd_piece(value, gradient, elements_of<T>(lists.first[piece.parameter], piece),
                  piece.elements, clipped, rule);
      }
    });
  }

  void adam(const UpdateLists& lists, const GradientClipping& clipping,
            const AdamRule& rule) const override {
    require_loopable(lists.values);
    require_loopable(lists.gradients);
    for_each_piece(lists.values, [&](size_t, const Piece& piece, auto type) {
      using T = decltype(type);
      adam_piece(elements_of<T>(lists.values[piece.parameter], piece),
                 elements_of<const T>(lists.gradients[piece.parameter], piece),
                 elements_of<T>(lists.first[piece.parameter], piece),
                 elements_of<T>(lists.second[piece.parameter], piece), piece.elements,
                 Clipped<T>(clipping), rule);
    });
  }
};

}  // namespace

const UpdateKernels& loop_kernels() {
  static const LoopKernels kernels;
  return kernels;
}

}  // namespace muster::trainer
