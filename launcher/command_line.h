// Options of one subcommand, over Boost.Program_options.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace muster::launcher {

// Declare options, then parse. Values stay text until asked for, so that errors can name the
// option.
class CommandLine {
 public:
  // `usage` is the line after "usage: "; `about` a short paragraph for --help.
  CommandLine(std::string usage, std::string about);
  ~CommandLine();
  CommandLine& option(const std::string& name, const std::string& value_name,
                      const std::string& help, const std::string& default_value = "");
  CommandLine& repeated(const std::string& name, const std::string& value_name,
                        const std::string& help);
  CommandLine& flag(const std::string& name, const std::string& help);
  // A plain argument; `required` ones come first.
  CommandLine& positional(const std::string& name, const std::string& help);

  // False after printing --help. Throws InputError for unknown or malformed options.
  bool parse(const std::vector<std::string>& arguments);

  bool has(const std::string& name) const;
  // The value or the default. Throws InputError if neither is there.
  std::string text(const std::string& name) const;
  // The same without separators at its end: "run/" is the directory "run".
  std::string path(const std::string& name) const;
  std::vector<std::string> texts(const std::string& name) const;
  // Throws InputError unless the value is a whole number in [low, high].
  long long integer(const std::string& name, long long low, long long high) const;
  // A number of threads from 0 to 1024; 0 stands for all cores this process may use.
  int threads(const std::string& name) const;
  // "HxW" in pixels, each 1 to 8192.
  struct Size {
    int height, width;
  };
  Size size(const std::string& name) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// "NAME=DIR" pairs. Throws InputError for anything else and for a name given twice.
std::map<std::string, std::string> named_directories(const std::vector<std::string>& values,
                                                     const std::string& option);

}  // namespace muster::launcher
