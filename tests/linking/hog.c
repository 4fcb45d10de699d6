/* A module that takes HOG_BYTES of static thread-local storage. */
static __thread char g_taken[HOG_BYTES] __attribute__((tls_model("initial-exec")));
void* hog(void) { return g_taken; }
