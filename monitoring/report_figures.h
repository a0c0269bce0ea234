// Curves drawn by gnuplot as SVG that stands inline in a page.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace muster::monitoring {

// One line of a figure.
struct FigureCurve {
  std::string label;
  std::vector<double> matching_percent;  // at ranks 1, 2, ...
  size_t style = 0;                      // the same number looks the same in every figure
  bool emphasised = false;               // drawn thicker
};

// A cumulative matching characteristic as an <svg> element: no prolog, comment or date, no address,
// and all ids begin with `identifier` (letters, digits, '_'). Text takes the colour of the page;
// style n the CSS variable --curve-(n+1), from the seventh on again the first with another marker.
// Throws SystemError if gnuplot is missing or fails.
std::string matching_curves_svg(const std::string& identifier, const std::string& title,
                                const std::vector<FigureCurve>& curves);

}  // namespace muster::monitoring
