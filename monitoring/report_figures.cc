#include "monitoring/report_figures.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <sstream>

#include "common/atomic_file.h"
#include "common/error.h"
#include "monitoring/report_view.h"

extern char** environ;

namespace muster::monitoring {
namespace fs = std::filesystem;

namespace {

constexpr size_t kColours = 6;
constexpr size_t kLongestLabel = 44;
constexpr int kRuleColour = 0x0000ff;  // replaced after drawing

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::error_code failure;
    const fs::path parent = fs::temp_directory_path(failure);
    if (failure) throw common::SystemError("TMPDIR", "is no directory", "set it to one");
    std::string pattern = (parent / "muster-figure-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw common::system_call_error(pattern, "mkdtemp", errno);
    }
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// Gnuplot's single quotes: no escapes inside, a quote is doubled. A line end would end the command.
std::string quoted(const std::string& text) {
  const auto continues = [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
  };
  std::string safe = "'";
  size_t characters = 0;
  for (const char byte : text) {
    if (!continues(byte) && ++characters > kLongestLabel) return safe + "...'";
    const bool control = static_cast<unsigned char>(byte) < 32 || byte == 127;
    safe += control ? ' ' : byte;
    if (byte == '\'') safe += '\'';
  }
  return safe + "'";
}

std::string curve_style(size_t index, bool emphasised) {
  static const char* const dashes[] = {"solid", "(9,4)", "(2,3)", "(9,3,2,3)", "(14,4)", "(5,3)"};
  static const int markers[] = {7, 5, 9, 13, 6, 4, 8, 12};  // filled first, then open
  std::ostringstream style;
  style << "with linespoints lw " << (emphasised ? "2.4" : "1.6") << " dt "
        << dashes[index % std::size(dashes)] << " pt " << markers[index % std::size(markers)]
        << " ps 0.55 lc rgb " << 16 + index % kColours;  // 16 to 21: replaced after drawing
  return style.str();
}

std::string script_of(const std::string& identifier, const std::string& title,
                      const std::vector<FigureCurve>& curves) {
  std::ostringstream script;
  script << "set encoding utf8\nset decimalsign '.'\n"
         << "set terminal svg size 480," << 370 + 18 * curves.size()
         << " dynamic font 'sans-serif,13' linewidth 1 name '" << identifier << "'\n"
         << "set title " << quoted(title) << " noenhanced font ',14'\n"
         << "set tics scale 0.5\nset xlabel 'rank' offset 0,0.5\nset ylabel 'matching rate, %' "
            "offset 1,0\n"
         << "set xrange [0.5:20.5]\nset yrange [0:100]\n"
         << "set xtics (1, 5, 10, 15, 20) out nomirror\nset ytics 20 out nomirror\n"
         << "set border 3 lw 1\nset grid ytics lw 1 lt 1 lc rgb " << kRuleColour << "\n"
         << "set key below vertical maxcols 1 left Left reverse samplen 4 spacing 1.25 height 1\n";
  for (size_t index = 0; index < curves.size(); ++index) {
    script << "$curve" << index << " << END\n";
    for (size_t rank = 1; rank <= curves[index].matching_percent.size(); ++rank) {
      script << rank << ' ' << decimal(curves[index].matching_percent[rank - 1], 4) << '\n';
    }
    script << "END\n";
  }
  script << "plot ";
  for (size_t index = 0; index < curves.size(); ++index) {
    script << (index == 0 ? "" : ", ") << "$curve" << index << " using 1:2 "
           << curve_style(curves[index].style, curves[index].emphasised) << " title "
           << quoted(curves[index].label) << " noenhanced";
  }
  script << "\n";
  return script.str();
}

// What gnuplot writes for figure.gp in this directory. It reads no start-up files and no shell
// runs.
std::string run_gnuplot(const fs::path& directory) {
  const std::string output = (directory / "figure.svg").string();
  const std::string errors = (directory / "errors.txt").string();
  const std::string script = (directory / "figure.gp").string();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, errors.c_str(), O_WRONLY | O_CREAT, 0600);
  std::string program = "gnuplot", defaults = "-d", file = script;
  char* arguments[] = {program.data(), defaults.data(), file.data(), nullptr};
  pid_t child = 0;
  const int failure = ::posix_spawnp(&child, "gnuplot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure == ENOENT) {
    throw common::SystemError("gnuplot", "is not installed, and the report's curves need it",
                              "install the package gnuplot-nox");
  }
  if (failure != 0) throw common::system_call_error("gnuplot", "posix_spawnp", failure);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw common::system_call_error("gnuplot", "waitpid", errno);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw common::SystemError("gnuplot", "failed: " + first_line(common::read_file(errors)));
  }
  return common::read_file(output);
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// Removes every stretch from `begin` to the next `end`, both included.
void remove_all(std::string& text, const std::string& begin, const std::string& end) {
  for (size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at)) {
    const size_t stop = text.find(end, at + begin.size());
    if (stop == std::string::npos) return;
    text.erase(at, stop + end.size() - at);
  }
}

std::string rgb_text(int colour) {
  char text[32];
  std::snprintf(text, sizeof(text), "rgb(%3d, %3d, %3d)", colour >> 16, (colour >> 8) & 255,
                colour & 255);
  return text;
}

std::string made_inline(std::string svg, const std::string& identifier) {
  const size_t begin = svg.find("<svg");
  if (begin == std::string::npos) throw common::SystemError("gnuplot", "wrote no SVG");
  svg.erase(0, begin);
  remove_all(svg, "<desc>", "</desc>");
  remove_all(svg, "<filter", "</filter>");
  remove_all(svg, "<title>" + identifier, "</title>");
  remove_all(svg, "xmlns=\"", "\"");
  remove_all(svg, "xmlns:xlink=\"", "\"");
  replace_all(svg, "xlink:href", "href");
  for (const std::string name : {"gpDot", "gpPt", "gnuplot_canvas"}) {
    replace_all(svg, "'" + name, "'" + identifier + "_" + name);
    replace_all(svg, "'#" + name, "'#" + identifier + "_" + name);
    replace_all(svg, "\"" + name, "\"" + identifier + "_" + name);
  }
  replace_all(svg, " color=\"black\"", "");
  replace_all(svg, " color=\"white\"", "");
  replace_all(svg, "fill=\"black\"", "fill=\"currentColor\"");
  replace_all(svg, "stroke=\"black\"", "stroke=\"currentColor\"");
  replace_all(svg, "stroke='black'", "stroke='currentColor'");
  replace_all(svg, "stroke='" + rgb_text(kRuleColour) + "'", "style='stroke:var(--rule)'");
  for (size_t colour = 0; colour < kColours; ++colour) {
    const std::string drawn = rgb_text(static_cast<int>(16 + colour));
    const std::string variable = "var(--curve-" + std::to_string(colour + 1) + ")";
    replace_all(svg, "stroke=\"" + drawn + "\"", "stroke=\"currentColor\"");
    replace_all(svg, "stroke='" + drawn + "'", "style='stroke:" + variable + "'");
    replace_all(svg, "color='" + drawn + "'", "style='color:" + variable + "'");
  }
  return svg;
}

}  // namespace

std::string matching_curves_svg(const std::string& identifier, const std::string& title,
                                const std::vector<FigureCurve>& curves) {
  const TemporaryDirectory directory;
  common::write_file_atomically(directory.path() / "figure.gp",
                                script_of(identifier, title, curves));
  return made_inline(run_gnuplot(directory.path()), identifier);
}

}  // namespace muster::monitoring
