// The heap verifier: walks every layer and proves that opened bytes = the sum of what the layers hold.
#pragma once

namespace ashlar::debug {

// The number of faults, each described on fd (fd < 0: silently). No other thread may allocate meanwhile.
int verify_heap(int fd);

}  // namespace ashlar::debug
