// See preload_choice.h.
#include "preload_choice.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "elf_file.h"
#include "elf_object.h"
#include "library.h"

namespace ashlar_command {
namespace {

/// What is wrong with the file as such, before its symbols are looked at.
std::string file_error(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? fmt::format("there is no such file; it takes a {}", kLibraryName)
                           : std::string(std::strerror(errno));
  }
  if (S_ISDIR(info.st_mode)) {
    const std::string inside = fmt::format("{}/{}", path, kLibraryName);
    return stat(inside.c_str(), &info) == 0 ? fmt::format("a directory; the library in it is {}", inside)
                                            : fmt::format("a directory, without a {} in it", kLibraryName);
  }
  if (!S_ISREG(info.st_mode)) return fmt::format("not a regular file; it takes a {}", kLibraryName);
  const FileFacts file = inspect_file(path);
  const FileFacts self = inspect_file("/proc/self/exe");
  if (file.kind == FileKind::kUnreadable) return std::strerror(file.error);
  if (file.kind != FileKind::kElf) {
    return path.ends_with(".a")
               ? fmt::format("an archive, which is linked into programs; what is preloaded is {}",
                             kLibraryName)
               : fmt::format("not a shared library; it takes a {}", kLibraryName);
  }
  if (!file.damage.empty()) return fmt::format("damaged: {}; build or install it again", file.damage);
  if (file.machine != self.machine || file.elf_class != self.elf_class || file.elf_data != self.elf_data) {
    return fmt::format("built for another machine ({}); this command's is {}",
                       machine_name(file.machine, file.elf_class),
                       machine_name(self.machine, self.elf_class));
  }
  return {};
}

/// What is wrong with the shared object that the file is.
std::string object_error(const std::string& path) {
  const ElfObject object = read_object(path);
  if (!object.error.empty()) return fmt::format("cannot be examined: {}", object.error);
  const bool program = object.soname.empty() && inspect_file(path).has_interpreter;
  if (program) return fmt::format("a program, not a library; it takes a {}", kLibraryName);
  if (!object.ashlar_version.empty()) return {};
  if (object.has_twins()) {
    return fmt::format(
        "Ashlar for use beside another malloc: it has ashlar_malloc and its like, and no malloc to "
        "serve a program with; what is preloaded is {}",
        kLibraryName);
  }
  return fmt::format(
      "a library, but not Ashlar's{}; it takes a {}",
      object.soname.empty() ? std::string{} : fmt::format(" (it calls itself {})", object.soname),
      kLibraryName);
}

}  // namespace

PreloadChoice choose_library(const std::string& wanted) {
  PreloadChoice choice{find_library(wanted), {}};
  if (choice.library.empty()) {
    choice.error =
        fmt::format("{} is neither beside this command nor in ../lib*; name it with --lib", kLibraryName);
    return choice;
  }
  std::string error;
  if (!preload_can_name(choice.library)) {
    error =
        "LD_PRELOAD cannot name it, since blanks, colons and $ have a meaning there; a link to it elsewhere "
        "can";
  }
  if (error.empty()) error = file_error(choice.library);
  if (error.empty()) error = object_error(choice.library);
  if (!error.empty())
    choice.error = fmt::format("{}{}: {}", wanted.empty() ? "" : "--lib ", choice.library, error);
  return choice;
}

}  // namespace ashlar_command
