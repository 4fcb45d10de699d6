// The exit statuses of the soak and of its children.
#pragma once

namespace ashlar::soak {

constexpr int kMismatchStatus = 3;  // contents are not as written
constexpr int kNoMemoryStatus = 4;
constexpr int kVerifyStatus = 5;  // ashlar_verify found faults
constexpr int kThreadStatus = 6;  // a thread could not be started
constexpr int kGrandchildStatus = 7;

}  // namespace ashlar::soak
