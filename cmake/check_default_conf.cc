// Run while the library is built: refuses the options that are to be compiled into it (ASHLAR_DEFAULT_CONF,
// the only argument) if the library would, in the parser's own words. Exit status 1 then, 2 when called
// wrongly.
#include <cstdio>

#include "base/option_text.h"
#include "base/options.h"

namespace {

void report(const ashlar::OptionError& error, void* faults) {
  char text[ashlar::kOptionErrorBytes];
  ashlar::describe(error, "", text, sizeof text);
  std::fprintf(stderr, "ASHLAR_DEFAULT_CONF: %s\n", text);
  ++*static_cast<int*>(faults);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: ashlar_check_default_conf KEY:VALUE,...\n", stderr);
    return 2;
  }
  int faults = 0;
  ashlar::parse_options(argv[1], ashlar::OptionOrigin::kLibrary, report, &faults);
  return faults == 0 ? 0 : 1;
}
