// What is known of a program before it is started: what keeps Ashlar out of it, and where it leads to
// another.
//
// Reads files, starts nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "doctor/finding.h"
#include "elf_object.h"
#include "library.h"
#include "obstacle.h"
#include "program.h"

namespace ashlar_command {

/// What keeps the dynamic loader from bringing `library` into the program, of whose deciding file `object`
/// was read; nothing, or one finding. The program is not to be started then.
Findings check_obstacle(const Program& program, const ElfObject& object, const FileFacts& library,
                        const Caller& caller);

/// That it is valgrind, in whose process the program that it is told of runs; nothing, or one finding. It
/// need not be started then. `path`: of the program; `words`: its arguments, itself first; `options`: of
/// VALGRIND_OPTS.
Findings check_valgrind(std::string_view path, const std::vector<std::string>& words,
                        std::string_view options);

/// That the file gives rights to others than `caller`, for whom the loader drops LD_PRELOAD.
Findings check_rights(const Privileges& file, const Caller& caller);

/// Which Ashlar of the environment's LD_PRELOAD gave way to the one that this report looks at.
Findings check_replaced(const Preload& preload, const std::string& library);

/// That the file that decides is a wrapper, where it isn't followed.
Findings check_wrapper(const Program& program);

}  // namespace ashlar_command
