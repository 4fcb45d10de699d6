// What every exported function is marked with.
#pragma once

#define ASHLAR_EXPORT extern "C" __attribute__((visibility("default")))
