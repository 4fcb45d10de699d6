/* A plug-in that is opened with RTLD_DEEPBIND: its malloc is libc's where the flag holds. */
#include <stdlib.h>
void* plugin_block(void) { return malloc(100); }
