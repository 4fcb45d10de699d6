// The machine's settings and the process's limits, and what each does to Ashlar.
#pragma once

#include <cstdint>
#include <optional>

#include "doctor/finding.h"
#include "doctor/process_facts.h"
#include "doctor/tree.h"

namespace ashlar_command {

/// /sys/kernel/mm/transparent_hugepage/enabled.
Finding check_huge_pages(const Tree& tree, bool off_for_process);

/// vm.overcommit_memory, and in mode 2 how much of the commit limit is taken.
Finding check_overcommit(const Tree& tree);

/// vm.max_map_count beside how many mappings the process has.
Finding check_mappings(const Tree& tree, std::size_t mappings);

/// Kernel pages of `page_size` bytes; 0: not known.
Finding check_page_size(std::uint64_t page_size);

/// The memory limit of the cgroup.
Finding check_cgroup(const Tree& tree, std::string_view cgroup);

/// What the library takes as the size of memory: the RAM, or the cgroup's limit where that is lower. Bytes;
/// 0: not known.
std::uint64_t usable_memory(const Tree& tree, std::string_view cgroup);

/// RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK and RLIMIT_STACK, a finding each. `memory`: as usable_memory gives
/// it.
Findings check_limits(const ProcessFacts& process, std::uint64_t memory);

}  // namespace ashlar_command
