#include "models/layers/bidirectional_lstm.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "common/error.h"
#include "models/layers/autocast.h"
#include "models/layers/row_product.h"

namespace muster::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

constexpr int64_t kDirections = 2, kGates = 4;  // input, forget, candidate, output
constexpr int64_t kLinesAtOnce = 64;            // least share of a thread

// The step that a direction takes as its `place`-th one.
int64_t step_at(int64_t direction, int64_t place, int64_t steps) {
  return direction == 0 ? place : steps - 1 - place;
}

// Rows of one step and direction, [lines, ...]: where they start, and how far apart they are.
template <typename Value>
struct Rows {
  Value* start = nullptr;  // null: zeros
  int64_t stride = 0;
  explicit Rows(const at::Tensor& rows)
      : start(rows.defined() ? rows.data_ptr<Value>() : nullptr),
        stride(rows.defined() ? rows.stride(0) : 0) {}
  Value* operator[](int64_t line) const { return start + line * stride; }
};

// of_step(values [steps, lines, directions, n], direction, step) -> [lines, n]
at::Tensor of_step(const at::Tensor& values, int64_t direction, int64_t step) {
  return values.select(0, step).select(1, direction);
}

// tanh(x) = 2 sigmoid(2 x) - 1: torch's sigmoid takes a third of the time of its tanh. What is to
// become a tanh is doubled before, and this is applied behind the sigmoid.
template <typename Value>
Value tanh_of_sigmoid(Value sigmoid) {
  return 2 * sigmoid - 1;
}

// [rows of all directions' gates, n] with those of the candidates doubled.
at::Tensor with_doubled_candidates(const at::Tensor& rows) {
  const at::Tensor result = rows.clone(at::MemoryFormat::Contiguous);
  result.view({kDirections, kGates, -1}).select(1, 2).mul_(2);
  return result;
}

// Makes candidates of their sigmoids; c = f c_before + i g, doubled = 2 c. No cells_before: zero.
template <typename Value>
void next_cells(const at::Tensor& gates, const at::Tensor& cells_before, const at::Tensor& cells,
                const at::Tensor& doubled) {
  const int64_t units = cells.size(1);
  const std::vector<Value> zeros(static_cast<size_t>(units), 0);
  const Rows<Value> gate(gates), before(cells_before), cell(cells), twice(doubled);
  at::parallel_for(0, cells.size(0), kLinesAtOnce, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {
      Value* const values = gate[line];
      const Value* earlier = before.start != nullptr ? before[line] : zeros.data();
      Value* const next = cell[line];
      Value* const out = twice[line];
#pragma GCC ivdep
      for (int64_t unit = 0; unit < units; ++unit) {
        const Value candidate = tanh_of_sigmoid(values[2 * units + unit]);
        const Value value = values[units + unit] * earlier[unit] + values[unit] * candidate;
        values[2 * units + unit] = candidate;
        next[unit] = value;
        out[unit] = 2 * value;
      }
    }
  });
}

// Makes tanh(c) of sigmoid(2 c); h = o tanh(c).
template <typename Value>
void next_outputs(const at::Tensor& gates, const at::Tensor& squashed, const at::Tensor& outputs) {
  const int64_t units = squashed.size(1);
  const Rows<Value> gate(gates), bounded(squashed), output(outputs);
  at::parallel_for(0, squashed.size(0), kLinesAtOnce, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {
      const Value* const open = gate[line] + 3 * units;
      Value* const cell = bounded[line];
      Value* const out = output[line];
#pragma GCC ivdep
      for (int64_t unit = 0; unit < units; ++unit) {
        cell[unit] = tanh_of_sigmoid(cell[unit]);
        out[unit] = open[unit] * cell[unit];
      }
    }
  });
}

// One step of one direction, [lines, ...] each.
struct StepGradients {
  at::Tensor gates, cells_before, squashed;  // of the forward pass; squashed is tanh(c)
  at::Tensor of_output, of_later;            // of h: from outside, from the later step's gates
  at::Tensor of_cells;                       // of c: the later step's share in, the earlier's out
  at::Tensor of_gates;                       // out, before sigmoid and tanh
};

// cells_before and of_later may be undefined: zero.
template <typename Value>
void step_gradients(const StepGradients& step) {
  const int64_t units = step.squashed.size(1);
  const std::vector<Value> zeros(static_cast<size_t>(units), 0);
  const Rows<Value> gate(step.gates), before(step.cells_before), squashed(step.squashed),
      of_output(step.of_output), of_later(step.of_later), of_cells(step.of_cells),
      of_gates(step.of_gates);
  at::parallel_for(0, step.squashed.size(0), kLinesAtOnce, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {
      const Value* __restrict__ const earlier = before.start ? before[line] : zeros.data();
      const Value* __restrict__ const later = of_later.start ? of_later[line] : zeros.data();
      const Value* __restrict__ const cell = squashed[line];
      const Value* __restrict__ const output = of_output[line];
      const Value* __restrict__ const inputs = gate[line];
      const Value* __restrict__ const forgets = inputs + units;
      const Value* __restrict__ const candidates = forgets + units;
      const Value* __restrict__ const opens = candidates + units;
      Value* __restrict__ const carried = of_cells[line];
      Value* __restrict__ const of_inputs = of_gates[line];
      Value* __restrict__ const of_forgets = of_inputs + units;
      Value* __restrict__ const of_candidates = of_forgets + units;
      Value* __restrict__ const of_opens = of_candidates + units;
#pragma GCC ivdep
      for (int64_t unit = 0; unit < units; ++unit) {
        const Value i = inputs[unit], f = forgets[unit], g = candidates[unit], o = opens[unit];
        const Value of_h = output[unit] + later[unit];
        const Value of_c = carried[unit] + of_h * o * (1 - cell[unit] * cell[unit]);
        of_inputs[unit] = of_c * g * i * (1 - i);
        of_forgets[unit] = of_c * earlier[unit] * f * (1 - f);
        of_candidates[unit] = of_c * i * (1 - g * g);
        of_opens[unit] = of_h * cell[unit] * o * (1 - o);
        carried[unit] = of_c * f;
      }
    }
  });
}

// lines [steps, lines, channels], input_weight [directions * 4 units, channels], bias likewise,
// state_weight [directions, 4 units, units]. `keep`: a gradient will be asked for.
struct BidirectionalLstm : torch::autograd::Function<BidirectionalLstm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& lines,
                            const at::Tensor& input_weight, const at::Tensor& bias,
                            const at::Tensor& state_weight, bool keep) {
    const int64_t steps = lines.size(0), count = lines.size(1), units = state_weight.size(2);
    const at::Tensor gates = row_product(lines.flatten(0, 1), with_doubled_candidates(input_weight),
                                         with_doubled_candidates(bias))
                                 .view({steps, count, kDirections, kGates * units});
    const at::Tensor state_weights = with_doubled_candidates(state_weight);
    const at::Tensor outputs = at::empty({steps, count, kDirections, units}, lines.options());
    const at::Tensor cells =
        at::empty({keep ? steps : 1, count, kDirections, units}, lines.options());
    const at::Tensor squashed = at::empty_like(cells);
    for (int64_t direction = 0; direction < kDirections; ++direction) {
      const at::Tensor weight = state_weights[direction].t();
      for (int64_t place = 0; place < steps; ++place) {
        const int64_t step = step_at(direction, place, steps);
        at::Tensor gate = of_step(gates, direction, step);
        const at::Tensor cell = of_step(cells, direction, keep ? step : 0);
        at::Tensor before;
        if (place > 0) {
          const int64_t earlier = step_at(direction, place - 1, steps);
          gate.addmm_(of_step(outputs, direction, earlier), weight);
          before = of_step(cells, direction, keep ? earlier : 0);
        }
        gate.sigmoid_();
        at::Tensor bounded = of_step(squashed, direction, keep ? step : 0);
        AT_DISPATCH_FLOATING_TYPES(gate.scalar_type(), "next_cells",
                                   [&] { next_cells<scalar_t>(gate, before, cell, bounded); });
        bounded.sigmoid_();
        AT_DISPATCH_FLOATING_TYPES(gate.scalar_type(), "next_outputs", [&] {
          next_outputs<scalar_t>(gate, bounded, of_step(outputs, direction, step));
        });
      }
    }
    if (keep) {
      context->save_for_backward(
          {lines, input_weight, state_weight, gates, cells, squashed, outputs});
    }
    return outputs.view({steps, count, kDirections * units});
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &lines = saved[0], &input_weight = saved[1], &state_weight = saved[2],
                     &gates = saved[3], &cells = saved[4], &squashed = saved[5],
                     &outputs = saved[6];
    const int64_t steps = lines.size(0), units = state_weight.size(2);
    const at::Tensor of_outputs = gradients[0].contiguous().view(outputs.sizes());
    const at::Tensor of_gates = at::empty_like(gates);
    const at::Tensor of_state_weight = at::zeros_like(state_weight);
    for (int64_t direction = 0; direction < kDirections; ++direction) {
      StepGradients step;
      step.of_cells = at::zeros({lines.size(1), units}, lines.options());
      for (int64_t place = steps - 1; place >= 0; --place) {
        const int64_t now = step_at(direction, place, steps);
        step.gates = of_step(gates, direction, now);
        step.squashed = of_step(squashed, direction, now);
        step.cells_before = place > 0
                                ? of_step(cells, direction, step_at(direction, place - 1, steps))
                                : at::Tensor();
        step.of_output = of_step(of_outputs, direction, now);
        if (step.of_gates.defined()) step.of_later = step.of_gates.mm(state_weight[direction]);
        step.of_gates = of_step(of_gates, direction, now);
        AT_DISPATCH_FLOATING_TYPES(gates.scalar_type(), "step_gradients",
                                   [&] { step_gradients<scalar_t>(step); });
      }
      // Of all steps but the direction's first, whose state is zero.
      const auto rows = [&](const at::Tensor& values, int64_t first) {
        return values.select(2, direction).narrow(0, first, steps - 1).flatten(0, 1);
      };
      const int64_t first = direction == 0 ? 1 : 0;
      at::Tensor of_weight = of_state_weight[direction];
      at::mm_out(of_weight, rows(of_gates, first).t(), rows(outputs, 1 - first));
    }
    const RowProductGradients inner = row_product_gradients(
        of_gates.view({-1, kDirections * kGates * units}), lines.flatten(0, 1), input_weight);
    return {inner.rows.view(lines.sizes()), inner.weight, inner.bias, of_state_weight,
            at::Tensor()};
  }
};

}  // namespace

at::Tensor bidirectional_lstm(torch::nn::LSTM& lstm, const at::Tensor& values) {
  const FullPrecision by_hand;
  const at::Tensor lines = in_full_precision(values);
  MUSTER_REQUIRE(lines.dim(), ==, 3);
  MUSTER_REQUIRE(lines.size(0), >=, 1);
  // Of each direction W, U and their biases.
  const std::vector<at::Tensor> weights = lstm->all_weights();
  MUSTER_REQUIRE(weights.size(), ==, 8U);
  if (!lines.is_cpu()) return std::get<0>(lstm(lines));
  const bool learns = std::any_of(weights.begin(), weights.end(),
                                  [](const at::Tensor& weight) { return weight.requires_grad(); });
  const bool keep = at::GradMode::is_enabled() && (lines.requires_grad() || learns);
  return BidirectionalLstm::apply(lines.contiguous(), at::cat({weights[0], weights[4]}),
                                  at::cat({weights[2] + weights[3], weights[6] + weights[7]}),
                                  at::stack({weights[1], weights[5]}), keep);
}

}  // namespace muster::models
