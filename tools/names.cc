// The tables of names. See names.h.
#include "names.h"

#include <cxxabi.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

namespace ashlar_command {
namespace {

constexpr std::size_t kNamesShown = 4;

using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::string_view kFamily[] = {
    "malloc",
    "free",
    "calloc",
    "realloc",
    "reallocarray",
    "posix_memalign",
    "aligned_alloc",
    "memalign",
    "valloc",
    "pvalloc",
    "malloc_usable_size",
    "free_sized",
    "free_aligned_sized",
    "cfree",
};

// The whole sets would be long; these are the names a program can hardly do without when it calls the
// allocator directly.
constexpr Pair kAllocators[] = {
    {"mallocx", "jemalloc"},
    {"rallocx", "jemalloc"},
    {"xallocx", "jemalloc"},
    {"sallocx", "jemalloc"},
    {"dallocx", "jemalloc"},
    {"sdallocx", "jemalloc"},
    {"nallocx", "jemalloc"},
    {"mallctl", "jemalloc"},
    {"mallctlbymib", "jemalloc"},
    {"malloc_stats_print", "jemalloc"},
    {"je_malloc", "jemalloc"},
    {"je_free", "jemalloc"},
    {"je_mallocx", "jemalloc"},
    {"je_mallctl", "jemalloc"},
    {"_rjem_malloc", "jemalloc"},
    {"_rjem_mallocx", "jemalloc"},
    {"_rjem_mallctl", "jemalloc"},
    {"mi_malloc", "mimalloc"},
    {"mi_calloc", "mimalloc"},
    {"mi_zalloc", "mimalloc"},
    {"mi_realloc", "mimalloc"},
    {"mi_malloc_aligned", "mimalloc"},
    {"mi_free", "mimalloc"},
    {"mi_new", "mimalloc"},
    {"mi_heap_new", "mimalloc"},
    {"mi_heap_malloc", "mimalloc"},
    {"mi_collect", "mimalloc"},
    {"mi_option_set", "mimalloc"},
    {"tc_malloc", "tcmalloc"},
    {"tc_free", "tcmalloc"},
    {"tc_new", "tcmalloc"},
    {"tc_delete", "tcmalloc"},
    {"MallocExtension_ReleaseFreeMemory", "tcmalloc"},
    {"MallocExtension_GetNumericProperty", "tcmalloc"},
    {"_ZN15MallocExtension8instanceEv", "tcmalloc"},
    {"TCMallocInternalMalloc", "tcmalloc"},
    {"scalable_malloc", "tbbmalloc"},
    {"scalable_free", "tbbmalloc"},
    {"scalable_allocation_mode", "tbbmalloc"},
    {"rpmalloc", "rpmalloc"},
    {"rpfree", "rpmalloc"},
};

constexpr Pair kSanitizers[] = {
    {"__asan_init", "AddressSanitizer"}, {"__tsan_init", "ThreadSanitizer"},
    {"__msan_init", "MemorySanitizer"},  {"__hwasan_init", "HWAddressSanitizer"},
    {"__lsan_init", "LeakSanitizer"},    {"__lsan_do_leak_check", "LeakSanitizer"},
};

template <typename Table>
std::string_view look_up(const Table& table, std::string_view symbol) {
  const auto found = std::find_if(std::begin(table), std::end(table),
                                  [&](const Pair& pair) { return pair.first == symbol; });
  return found == std::end(table) ? std::string_view{} : found->second;
}

}  // namespace

bool is_operator_name(std::string_view symbol) {
  static constexpr std::string_view kStarts[] = {"_Znw", "_Zna", "_Zdl", "_Zda"};
  return std::any_of(std::begin(kStarts), std::end(kStarts),
                     [&](std::string_view start) { return symbol.starts_with(start); });
}

bool is_allocation_name(std::string_view symbol) {
  return std::find(std::begin(kFamily), std::end(kFamily), symbol) != std::end(kFamily) ||
         is_operator_name(symbol);
}

std::string_view allocator_of(std::string_view symbol) { return look_up(kAllocators, symbol); }

bool gives_blocks(std::string_view symbol) {
  static constexpr std::string_view kAsking[] = {
      "ctl",        "ctlbymib", "stats_print",      "nallocx",    "sallocx",
      "mi_collect", "_set",     "MallocExtension_", "instanceEv", "_mode"};
  return std::none_of(std::begin(kAsking), std::end(kAsking),
                      [&](std::string_view part) { return symbol.find(part) != std::string_view::npos; });
}

std::string_view sanitizer_library(std::string_view file_name) {
  static constexpr Pair kLibraries[] = {
      {"libasan.so", "AddressSanitizer"},           {"libtsan.so", "ThreadSanitizer"},
      {"libhwasan.so", "HWAddressSanitizer"},       {"liblsan.so", "LeakSanitizer"},
      {"libclang_rt.asan", "AddressSanitizer"},     {"libclang_rt.tsan", "ThreadSanitizer"},
      {"libclang_rt.hwasan", "HWAddressSanitizer"}, {"libclang_rt.lsan", "LeakSanitizer"},
      {"libclang_rt.msan", "MemorySanitizer"},
  };
  const auto found = std::find_if(std::begin(kLibraries), std::end(kLibraries),
                                  [&](const Pair& pair) { return file_name.starts_with(pair.first); });
  return found == std::end(kLibraries) ? std::string_view{} : found->second;
}

std::string_view sanitizer_of(std::string_view symbol) { return look_up(kSanitizers, symbol); }

bool is_interesting_name(std::string_view symbol) {
  return is_allocation_name(symbol) || !allocator_of(symbol).empty() || !sanitizer_of(symbol).empty() ||
         symbol == "ashlar_version" || symbol == "ashlar_malloc" || symbol == "ashlar_conf";
}

std::string shown(const Names& names) {
  Names readable;  // the overloads of an operator have one name
  for (const std::string& name : names)
    readable.insert(readable_name(name));
  std::vector<std::string> first;
  for (const std::string& name : readable) {
    if (first.size() < kNamesShown) first.push_back(name);
  }
  const std::string text = fmt::format("{}", fmt::join(first, ", "));
  return readable.size() <= kNamesShown ? text
                                        : fmt::format("{} and {} more", text, readable.size() - kNamesShown);
}

std::string readable_name(const std::string& symbol) {
  if (!is_operator_name(symbol)) return symbol;
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), &std::free);
  if (status != 0) return symbol;
  const std::string_view name(text.get());
  return std::string(name.substr(0, name.find('(')));
}

}  // namespace ashlar_command
