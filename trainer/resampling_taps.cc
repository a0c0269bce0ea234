#include "trainer/resampling_taps.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace muster::trainer {
namespace {

using datastore::Interpolation;

constexpr int kFixedPointOne = 2048;

// One side: how many stored pixels there are and how many are wanted.
struct Side {
  int from, to;
  double to_per_from() const { return static_cast<double>(to) / from; }
  double from_per_to() const { return 1.0 / to_per_from(); }
  // Cells of so many whole pixels, or 0.
  int cell() const {
    const double scale = from_per_to();
    const auto whole = static_cast<int>(std::nearbyint(scale));
    return std::abs(scale - whole) < std::numeric_limits<double>::epsilon() ? whole : 0;
  }
  bool shrinks() const { return from_per_to() >= 1; }
};

// Taps in the making; places outside stand for the nearest one inside.
class TapWriter {
 public:
  TapWriter(const Side& side, int taps) : side_(side) {
    table_.taps = taps;
    const auto count = static_cast<size_t>(side.to) * static_cast<size_t>(taps);
    table_.place.assign(count, 0);
    table_.weight.assign(count, 0);
    table_.fixed.assign(count, 0);
  }
  void begin(int resized) { next_ = static_cast<size_t>(resized * table_.taps); }
  void add(int place, float weight, int fixed) {
    table_.place[next_] = std::clamp(place, 0, side_.from - 1);
    table_.weight[next_] = weight;
    table_.fixed[next_++] = fixed;
  }
  void add(int place, float weight) {
    add(place, weight, static_cast<int>(std::nearbyint(weight * kFixedPointOne)));
  }
  TapTable table() && { return std::move(table_); }

 private:
  const Side side_;
  TapTable table_;
  size_t next_ = 0;
};

TapTable whole_cells(const Side& side) {
  const int cell = side.cell();
  TapWriter writer(side, cell);
  for (int resized = 0; resized < side.to; ++resized) {
    writer.begin(resized);
    for (int i = 0; i < cell; ++i) writer.add(resized * cell + i, 1, 1);
  }
  return std::move(writer).table();
}

// Each resized pixel covers [resized, resized + 1) x scale; slivers below a thousandth are dropped.
TapTable covered_parts(const Side& side) {
  constexpr double kSliver = 1e-3;
  const double scale = side.from_per_to();
  TapWriter writer(side, static_cast<int>(std::ceil(scale)) + 2);
  for (int resized = 0; resized < side.to; ++resized) {
    const double begin = resized * scale, end = begin + scale;
    const double covered = std::min(scale, side.from - begin);
    const int last_whole = std::min(static_cast<int>(std::floor(end)), side.from - 1);
    const int first_whole = std::min(static_cast<int>(std::ceil(begin)), last_whole);
    writer.begin(resized);
    if (first_whole - begin > kSliver) {
      writer.add(first_whole - 1, static_cast<float>((first_whole - begin) / covered));
    }
    for (int place = first_whole; place < last_whole; ++place) {
      writer.add(place, static_cast<float>(1.0 / covered));
    }
    if (end - last_whole > kSliver) {
      const double part = std::min(std::min(end - last_whole, 1.0), covered);
      writer.add(last_whole, static_cast<float>(part / covered));
    }
  }
  return std::move(writer).table();
}

// Where the centre of a resized pixel lies: the pixel before it, and how far behind that.
struct Between {
  int place;
  float behind;
};
Between centre(const Side& side, int resized) {
  const auto place = static_cast<float>((resized + 0.5) * side.from_per_to() - 0.5);
  const auto before = static_cast<int>(std::floor(place));
  return {before, place - static_cast<float>(before)};
}
// Area interpolation of a side that grows: sharp, but for pixels that straddle two stored ones.
Between straddled(const Side& side, int resized) {
  const auto before = static_cast<int>(std::floor(resized * side.from_per_to()));
  const auto behind = static_cast<float>((resized + 1) - (before + 1) * side.to_per_from());
  return {before, behind <= 0 ? 0 : behind - std::floor(behind)};
}

// Beyond the first and last pixel OpenCV takes one column as it is, but two equal rows with their
// weights, which the rounding of bytes shows.
TapTable two_neighbours(const Side& side, bool area, bool columns) {
  TapWriter writer(side, 2);
  for (int resized = 0; resized < side.to; ++resized) {
    Between at = area ? straddled(side, resized) : centre(side, resized);
    if (columns && at.place < 0) at = {0, 0};
    if (columns && at.place >= side.from - 1) at = {side.from - 1, 0};
    writer.begin(resized);
    writer.add(at.place, 1.0f - at.behind);
    writer.add(at.place + 1, at.behind);
  }
  return std::move(writer).table();
}

// Keys' cubic convolution with coefficient -0.75 at distance 0 to 2.
double cubic_weight(double distance) {
  constexpr double kA = -0.75;
  const double d = std::abs(distance);
  if (d <= 1) return ((kA + 2) * d - (kA + 3)) * d * d + 1;
  return ((kA * d - 5 * kA) * d + 8 * kA) * d - 4 * kA;
}

TapTable four_neighbours(const Side& side) {
  TapWriter writer(side, 4);
  for (int resized = 0; resized < side.to; ++resized) {
    const Between at = centre(side, resized);
    writer.begin(resized);
    for (int i = -1; i <= 2; ++i) {
      writer.add(at.place + i, static_cast<float>(cubic_weight(at.behind - i)));
    }
  }
  return std::move(writer).table();
}

// OpenCV's choice of arithmetic: the same for bytes and floats but for their rounding.
ResamplingTables tables_of(const Side& rows, const Side& columns, Interpolation interpolation,
                           bool bytes) {
  if (rows.from == rows.to && columns.from == columns.to) return {};
  if (interpolation == Interpolation::kBicubic) {
    return {bytes ? Resampling::kFixedCubic : Resampling::kWeighted, four_neighbours(rows),
            four_neighbours(columns)};
  }
  const bool halves = rows.cell() == 2 && columns.cell() == 2;  // bilinear is the mean then
  const bool area = interpolation == Interpolation::kArea || halves;
  if (area && rows.shrinks() && columns.shrinks()) {
    if (rows.cell() > 0 && columns.cell() > 0) {
      return {bytes && halves ? Resampling::kFourPixels : Resampling::kWholeCells,
              whole_cells(rows), whole_cells(columns)};
    }
    return {Resampling::kWeighted, covered_parts(rows), covered_parts(columns)};
  }
  return {bytes ? Resampling::kFixedLinear : Resampling::kWeighted,
          two_neighbours(rows, area, false), two_neighbours(columns, area, true)};
}

}  // namespace

ResamplingTables colour_resampling(int height, int width, int to_height, int to_width,
                                   Interpolation interpolation) {
  const bool shrinks = to_height <= height && to_width <= width;
  if (interpolation == Interpolation::kArea && !shrinks) interpolation = Interpolation::kBilinear;
  return tables_of({height, to_height}, {width, to_width}, interpolation, true);
}

ResamplingTables flow_resampling(int height, int width, int to_height, int to_width,
                                 Interpolation interpolation) {
  return tables_of({height, to_height}, {width, to_width}, interpolation, false);
}

}  // namespace muster::trainer
