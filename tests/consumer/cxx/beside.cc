#include "../beside.c"  // the headers in C++
