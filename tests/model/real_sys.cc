// The real system calls under another name: src/os/sys_linux.cc, compiled into namespace real_sys.
#define sys real_sys
#include "os/sys_linux.cc"
