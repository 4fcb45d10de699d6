// Strict reading of the workload file: a misspelt key is an error. See workloads.h.
#include "race/workloads.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <stdexcept>

namespace ashlar::bench {

namespace {

using Json = nlohmann::json;

void check_keys(const Json& entry) {
  static const std::set<std::string> kKnown = {"name",  "command",     "env",       "directory",
                                               "input", "same_output", "whole_tree"};
  for (const auto& [key, value] : entry.items()) {
    if (!kKnown.contains(key)) throw std::runtime_error(fmt::format("unknown key \"{}\"", key));
  }
}

Workload workload_of(const Json& entry) {
  if (!entry.is_object()) throw std::runtime_error("not an object");
  check_keys(entry);
  Workload workload;
  workload.name = entry.at("name").get<std::string>();
  const Json& command = entry.at("command");
  const bool shell = command.is_string();
  workload.command = shell ? std::vector<std::string>{"/bin/sh", "-c", command.get<std::string>()}
                           : command.get<std::vector<std::string>>();
  if (workload.command.empty()) throw std::runtime_error("\"command\" is empty");
  const Json environment = entry.value("env", Json::object());
  for (const auto& [name, value] : environment.items()) {
    workload.environment.push_back(name + "=" + value.get<std::string>());
  }
  workload.directory = entry.value("directory", "");
  workload.input = entry.value("input", "");
  workload.same_output = entry.value("same_output", false);
  workload.whole_tree = entry.value("whole_tree", shell);
  return workload;
}

}  // namespace

std::vector<Workload> parse_workloads(const std::string& json, const std::string& source) {
  std::vector<Workload> workloads;
  size_t at = 0;
  try {
    const Json list = Json::parse(json);
    if (!list.is_array()) throw std::runtime_error("not a list");
    for (const Json& entry : list) {
      ++at;
      workloads.push_back(workload_of(entry));
    }
  } catch (const std::exception& error) {
    const std::string where = at > 0 ? fmt::format("{}, entry {}", source, at) : source;
    throw std::runtime_error(fmt::format("{}: {}", where, error.what()));
  }
  if (workloads.empty()) throw std::runtime_error(fmt::format("{}: no workload", source));
  return workloads;
}

std::vector<Workload> read_workloads(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(fmt::format("{}: cannot be read", path));
  std::ostringstream contents;
  contents << file.rdbuf();
  return parse_workloads(contents.str(), path);
}

Workload command_line_workload(const Options& options) {
  Workload workload;
  workload.name = options.command.front();
  workload.command = options.command;
  workload.input = options.input;
  workload.same_output = options.same_output;
  workload.whole_tree = options.whole_tree;
  return workload;
}

}  // namespace ashlar::bench
