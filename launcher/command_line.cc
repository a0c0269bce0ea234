#include "launcher/command_line.h"

#include <boost/program_options.hpp>
#include <iostream>

#include "common/error.h"
#include "common/nearest_name.h"
#include "launcher/terminal.h"

namespace muster::launcher {
namespace po = boost::program_options;
using common::InputError;

struct CommandLine::State {
  std::string usage, about;
  po::options_description options{"options"};
  po::options_description hidden;
  po::positional_options_description positions;
  std::vector<std::string> names, positional_names, positional_help;
  std::map<std::string, std::string> defaults;
  po::variables_map values;
};

CommandLine::CommandLine(std::string usage, std::string about) : state_(std::make_unique<State>()) {
  state_->usage = std::move(usage);
  state_->about = std::move(about);
  flag("help", "print this page");
}
CommandLine::~CommandLine() = default;

CommandLine& CommandLine::option(const std::string& name, const std::string& value_name,
                                 const std::string& help, const std::string& default_value) {
  const std::string text = default_value.empty() ? help : help + " [" + default_value + "]";
  state_->options.add_options()(name.c_str(), po::value<std::string>()->value_name(value_name),
                                text.c_str());
  state_->names.push_back("--" + name);
  if (!default_value.empty()) state_->defaults[name] = default_value;
  return *this;
}

CommandLine& CommandLine::repeated(const std::string& name, const std::string& value_name,
                                   const std::string& help) {
  state_->options.add_options()(
      name.c_str(), po::value<std::vector<std::string>>()->value_name(value_name)->composing(),
      (help + " (may be repeated)").c_str());
  state_->names.push_back("--" + name);
  return *this;
}

CommandLine& CommandLine::flag(const std::string& name, const std::string& help) {
  state_->options.add_options()(name.c_str(), help.c_str());
  state_->names.push_back("--" + name);
  return *this;
}

CommandLine& CommandLine::positional(const std::string& name, const std::string& help) {
  state_->hidden.add_options()(name.c_str(), po::value<std::string>());
  state_->positions.add(name.c_str(), 1);
  state_->positional_names.push_back(name);
  state_->positional_help.push_back(help);
  return *this;
}

bool CommandLine::parse(const std::vector<std::string>& arguments) {
  State& s = *state_;
  po::options_description all;
  all.add(s.options).add(s.hidden);
  using style = po::command_line_style::style_t;
  try {
    po::store(po::command_line_parser(arguments)
                  .options(all)
                  .positional(s.positions)
                  .style(style::unix_style & ~style::allow_guessing)
                  .run(),
              s.values);
  } catch (const po::unknown_option& failure) {
    throw InputError("option " + failure.get_option_name(), "is not known",
                     common::name_hint(failure.get_option_name(), s.names));
  } catch (const po::too_many_positional_options_error&) {
    throw InputError("arguments", "there are more than this command takes", "usage: " + s.usage);
  } catch (const po::error& failure) {
    throw InputError("command line", failure.what(), "usage: " + s.usage);
  }
  if (!has("help")) return true;
  std::cout << "usage: " << s.usage << "\n\n" << s.about << "\n\n";
  for (size_t i = 0; i < s.positional_names.size(); ++i) {
    std::cout << "  " << s.positional_names[i] << "  " << s.positional_help[i] << "\n";
  }
  if (!s.positional_names.empty()) std::cout << "\n";
  std::cout << s.options;
  return false;
}

bool CommandLine::has(const std::string& name) const { return state_->values.count(name) > 0; }

std::string CommandLine::text(const std::string& name) const {
  if (has(name)) {
    const auto& value = state_->values[name].as<std::string>();
    if (value.empty()) throw InputError("--" + name, "is empty", "usage: " + state_->usage);
    return value;
  }
  const auto found = state_->defaults.find(name);
  if (found != state_->defaults.end()) return found->second;
  const auto& positional = state_->positional_names;
  const bool plain = std::find(positional.begin(), positional.end(), name) != positional.end();
  throw InputError((plain ? "" : "--") + name, "is missing", "usage: " + state_->usage);
}

std::string CommandLine::path(const std::string& name) const {
  std::string value = text(name);
  while (value.size() > 1 && value.back() == '/') value.pop_back();
  return value;
}

std::vector<std::string> CommandLine::texts(const std::string& name) const {
  return has(name) ? state_->values[name].as<std::vector<std::string>>()
                   : std::vector<std::string>();
}

long long CommandLine::integer(const std::string& name, long long low, long long high) const {
  const std::string value = text(name);
  size_t used = 0;
  long long number = 0;
  try {
    number = std::stoll(value, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  const bool plain = value.find_first_not_of("-0123456789") == std::string::npos;
  if (!plain || used != value.size() || value.empty() || number < low || number > high) {
    throw InputError("--" + name, "'" + value + "' is not a whole number from " +
                                      std::to_string(low) + " to " + std::to_string(high));
  }
  return number;
}

int CommandLine::threads(const std::string& name) const {
  constexpr int kMostThreads = 1024;
  const auto wanted = static_cast<int>(integer(name, 0, kMostThreads));
  return wanted == 0 ? usable_cores() : wanted;
}

CommandLine::Size CommandLine::size(const std::string& name) const {
  const std::string value = text(name);
  const size_t cross = value.find('x');
  const auto whole = [&](const std::string& digits) {
    const bool plain = !digits.empty() && digits.size() <= 4 &&
                       digits.find_first_not_of("0123456789") == std::string::npos;
    const int number = plain ? std::stoi(digits) : 0;
    if (number < 1 || number > 8192) {
      throw InputError("--" + name, "'" + value + "' is not a size",
                       "write HEIGHTxWIDTH, each from 1 to 8192, for example 128x64");
    }
    return number;
  };
  if (cross == std::string::npos) whole("");
  return {whole(value.substr(0, cross)), whole(value.substr(cross + 1))};
}

std::map<std::string, std::string> named_directories(const std::vector<std::string>& values,
                                                     const std::string& option) {
  std::map<std::string, std::string> directories;
  for (const std::string& value : values) {
    const size_t equals = value.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == value.size()) {
      throw InputError(option, "'" + value + "' is not NAME=DIR");
    }
    if (!directories.emplace(value.substr(0, equals), value.substr(equals + 1)).second) {
      throw InputError(option, "'" + value.substr(0, equals) + "' is given twice");
    }
  }
  return directories;
}

}  // namespace muster::launcher
