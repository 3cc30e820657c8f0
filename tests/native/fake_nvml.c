/* NVIDIA's management library without a GPU: what nvidia-ml-py calls, told by a file.
 *
 * FAKE_NVML names the file; each of its lines is a word and another one. "gpus 2", "temperature 61",
 * "slowdown 90" (C), "power 95500" (mW), "load 37" (%) are values. The name of a function with a
 * number makes it return that error; with "hang" it hangs for as long as the file says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2 };
typedef struct { unsigned gpu, memory; } Utilization;

static int begun, gpus[8];

int fake_begun(void) { return begun; }

static int told(const char *what, char *value) {
    FILE *file = fopen(getenv("FAKE_NVML"), "r");
    char word[64];
    int found = 0;
    while (file && !found && fscanf(file, "%63s %63s", word, value) == 2) found = !strcmp(word, what);
    if (file) fclose(file);
    return found;
}
static unsigned number(const char *what, unsigned otherwise) {
    char value[64];
    return told(what, value) ? (unsigned)atoi(value) : otherwise;
}
static int fault(const char *function) {
    char value[64];
    while (told(function, value) && !strcmp(value, "hang")) usleep(5000);
    if (told(function, value)) return atoi(value);
    return begun || !strcmp(function, "nvmlInitWithFlags") ? OK : UNINITIALIZED;
}
#define FAULT() do { int code = fault(__func__); if (code) return code; } while (0)

int nvmlInitWithFlags(unsigned flags) {
    FAULT();
    begun++;
    return flags ? INVALID_ARGUMENT : OK;
}
int nvmlShutdown(void) {
    FAULT();
    begun--;
    return OK;
}
int nvmlDeviceGetCount_v2(unsigned *count) {
    FAULT();
    *count = number("gpus", 1);
    return OK;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    FAULT();
    if (index >= number("gpus", 1)) return INVALID_ARGUMENT;
    *device = &gpus[index];
    return OK;
}
/* The second GPU is 10 degrees warmer, so that nobody can take one for the other. */
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *degrees) {
    FAULT();
    *degrees = number("temperature", 61) + 10 * (unsigned)((int *)device - gpus);
    return sensor ? INVALID_ARGUMENT : OK;
}
int nvmlDeviceGetTemperatureThreshold(void *device, int kind, unsigned *degrees) {
    FAULT();
    /* 0 shutdown, 1 slowdown, 2 memory, 3 as many as the GPU may have. */
    *degrees = kind == 1 ? number("slowdown", 90) : 99;
    return device ? OK : INVALID_ARGUMENT;
}
int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) {
    FAULT();
    *milliwatts = number("power", 95500);
    return device ? OK : INVALID_ARGUMENT;
}
int nvmlDeviceGetUtilizationRates(void *device, Utilization *rates) {
    FAULT();
    rates->gpu = number("load", 37);
    rates->memory = 12;
    return device ? OK : INVALID_ARGUMENT;
}
const char *nvmlErrorString(int code) { return code ? "fake error" : "no error"; }
