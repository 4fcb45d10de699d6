// What every exported function is marked with.
#pragma once

#define ASHLAR_EXPORT extern "C" __attribute__((visibility("default")))
// A program may replace operators. Where it is linked with ours, these give way, as libstdc++'s do.
#ifdef ASHLAR_ARCHIVE
#define ASHLAR_OPERATOR __attribute__((visibility("default"), weak))
#else
#define ASHLAR_OPERATOR __attribute__((visibility("default")))
#endif

// A second name of a function of ours, that nothing interposes. It need not repeat malloc's attributes.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmissing-attributes"
#endif
#define ASHLAR_HIDDEN_TWIN(name) __attribute__((visibility("hidden"), alias(name)))
