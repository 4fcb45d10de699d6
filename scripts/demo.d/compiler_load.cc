// What the demo lets g++ compile: enough of the standard library to keep the compiler allocating.
#include <algorithm>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <numeric>
#include <random>
#include <ranges>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N>
struct Tower {
  using Value =
      std::variant<int, std::string, std::vector<Tower<N - 1>>, std::map<std::string, Tower<N - 1>>>;
  Value value;
  std::tuple<std::function<int(int)>, std::unordered_map<std::string, int>> more;
};
template <>
struct Tower<0> {
  int value = 0;
};

template <int N>
int visit_tower(const Tower<N>& tower) {
  return std::visit(
      [](const auto& value) {
        using Type = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Type, int>) {
          return value;
        } else {
          return static_cast<int>(value.size());
        }
      },
      tower.value);
}

int main() {
  const std::regex words("([a-z]+)-([0-9]+)");
  std::smatch match;
  std::string text = "ashlar-2024";
  std::regex_match(text, match, words);
  std::vector<int> numbers(100);
  std::iota(numbers.begin(), numbers.end(), 1);
  auto even = numbers | std::views::filter([](int n) { return n % 2 == 0; }) |
              std::views::transform([](int n) { return n * n; });
  auto later = std::async([&] { return std::accumulate(even.begin(), even.end(), 0); });
  std::shuffle(numbers.begin(), numbers.end(), std::mt19937(1));
  std::ostringstream out;
  out << match.size() << later.get() << visit_tower(Tower<12>()) << visit_tower(Tower<9>());
  std::cout << out.str() << '\n';
}
