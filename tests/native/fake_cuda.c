/* A CUDA driver without a GPU: what pycuda and the runtime call, over malloc.
 *
 * It keeps the rules that a real driver keeps: nothing works without a current context; work waits
 * in its stream until somebody waits for it; copies in a stream need page-locked memory; a pointer
 * that is not the GPU's own is an illegal address; nothing waits or allocates while a stream
 * records; an error of the GPU stays. It counts what lives, and fails where a test tells it to.
 *
 * Environment, for processes that no test can reach into: FAKE_CUDA = hang | crash | no-device |
 * noisy | hang-at-exit, and FAKE_CUDA_INTEGRATED = 1.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OK = 0, INVALID_VALUE = 1, NO_MEMORY = 2, NO_DEVICE = 100, INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400, NOT_READY = 600, ILLEGAL_ADDRESS = 700, CONTEXT_IS_DESTROYED = 709,
    CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901,
};
enum { DEVICE, HOST, STREAM, GRAPH, EXEC, CONTEXT, KINDS };
static const char *KIND[KINDS] = {"device", "host", "stream", "graph", "exec", "context"};

typedef void (*Kernel)(void *);
typedef struct { Kernel kernel; void *to; const void *from; size_t size; int up; } Work;
typedef struct { Work *work; int count; } List;
typedef struct { List queue; List *recording; int spoilt; } Stream;
typedef struct { char *start; size_t size; int kind; int mapped; } Block;

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static Block blocks[4096];
static int live[KINDS], shares, sticky, stall, would_hang, integrated = -1;
static Stream *recorder;
static char trace[1 << 16];
static struct { char name[64]; int calls, fail_from, fail_until, code; } seen[256];
static int primary, other;
static __thread void *stack[32];
static __thread int depth;

/* What tests say and ask. */
void fake_reset(void) {
    memset(seen, 0, sizeof seen);
    memset(live, 0, sizeof live);
    memset(blocks, 0, sizeof blocks);
    shares = sticky = stall = would_hang = depth = 0;
    integrated = 0;
    recorder = NULL;
    trace[0] = 0;
}
static int row(const char *name) {
    int i = 0;
    while (i < 255 && seen[i].name[0] && strcmp(seen[i].name, name)) i++;
    if (!seen[i].name[0]) strncpy(seen[i].name, name, sizeof seen[i].name - 1);
    return i;
}
void fake_fail(const char *name, int nth_from_now, int times, int code) { /* 0 times: for ever */
    int i = row(name);
    seen[i].fail_from = seen[i].calls + nth_from_now;
    seen[i].fail_until = times ? seen[i].fail_from + times : 1 << 30;
    seen[i].code = code;
}
int fake_calls(const char *name) { return seen[row(name)].calls; }
int fake_live(const char *kind) {
    for (int i = 0; i < KINDS; i++) if (!strcmp(kind, KIND[i])) return live[i];
    return -1;
}
int fake_shares(void) { return shares; }
int fake_depth(void) { return depth; }
int fake_would_hang(void) { return would_hang; }
void fake_integrated(int yes) { integrated = yes; }
void fake_stall(int looks) { stall = looks; } /* -1: for ever */
void fake_async_error(int code) { sticky = -code; } /* at the next piece of work */
const char *fake_trace(void) { return trace; }
void fake_note(const char *word) {
    if (strlen(trace) + strlen(word) + 2 < sizeof trace) strcat(strcat(trace, word), " ");
}

static int enter(const char *name) {
    pthread_mutex_lock(&guard);
    int i = row(name), calls = ++seen[i].calls;
    int code = seen[i].fail_from && calls >= seen[i].fail_from && calls < seen[i].fail_until
        ? seen[i].code : OK;
    pthread_mutex_unlock(&guard);
    return code;
}
static int current(void) {
    if (depth == 0) return INVALID_CONTEXT;
    if (stack[depth - 1] == &primary && shares == 0) return CONTEXT_IS_DESTROYED;
    return sticky > 0 ? sticky : OK;
}
#define CALL(name) do { int code_ = enter(name); if (code_) return code_; } while (0)
#define INSIDE(name) do { CALL(name); int code_ = current(); if (code_) return code_; } while (0)
/* What a driver does not allow while the thread records, and what waits for the GPU. */
#define APART(name) do { INSIDE(name); \
    if (recorder) { recorder->spoilt = 1; return CAPTURE_UNSUPPORTED; } } while (0)
#define WAITS() do { if (stall) would_hang++; } while (0)

static int take(void **out, size_t size, int kind, int mapped) {
    char *start = calloc(1, size ? size : 1);
    pthread_mutex_lock(&guard);
    for (int i = 0; i < 4096; i++) if (!blocks[i].start) {
        blocks[i] = (Block){start, size, kind, mapped};
        break;
    }
    live[kind]++;
    pthread_mutex_unlock(&guard);
    *out = start;
    return OK;
}
static int give(void *start, int kind) {
    int code = INVALID_VALUE;
    pthread_mutex_lock(&guard);
    for (int i = 0; i < 4096; i++) if (start && blocks[i].start == start && blocks[i].kind == kind) {
        blocks[i].start = NULL;
        live[kind]--;
        free(start);
        code = OK;
        break;
    }
    pthread_mutex_unlock(&guard);
    return code;
}
static Block *holds(const void *pointer, size_t size) {
    const char *p = pointer;
    for (int i = 0; i < 4096; i++) {
        Block *b = &blocks[i];
        if (b->start && p >= b->start && p + size <= b->start + b->size) return b;
    }
    return NULL;
}
int fake_on_gpu(const void *pointer, size_t size) {
    Block *b = holds(pointer, size);
    return b && (b->kind == DEVICE || b->mapped);
}
static void add(List *list, Work work) {
    list->work = realloc(list->work, (list->count + 1) * sizeof(Work));
    list->work[list->count++] = work;
}
static int put(Stream *stream, Work work) {
    add(stream->recording ? stream->recording : &stream->queue, work);
    return OK;
}
static void run(Stream *stream) {
    List queue = stream->queue;
    stream->queue = (List){0};
    for (int i = 0; i < queue.count && sticky <= 0; i++) {
        Work w = queue.work[i];
        if (sticky < 0) sticky = -sticky;
        else if (w.kernel) w.kernel(w.to);
        else {
            Block *gpu = holds(w.up ? w.to : w.from, w.size);
            Block *host = holds(w.up ? w.from : w.to, w.size);
            if (!gpu || gpu->kind != DEVICE || !host || host->kind != HOST) sticky = ILLEGAL_ADDRESS;
            else memcpy(w.to, w.from, w.size);
        }
    }
    free(queue.work);
}
int fake_launch(Stream *stream, Kernel kernel, void *data) {
    INSIDE("launch");
    return put(stream, (Work){.kernel = kernel, .to = data});
}

/* The driver. */
static const char *mode(void) { const char *m = getenv("FAKE_CUDA"); return m ? m : ""; }

int cuGetErrorString(int code, const char **text) {
    static __thread char words[64];
    snprintf(words, sizeof words, code == NO_MEMORY ? "out of memory"
        : code == ILLEGAL_ADDRESS ? "an illegal memory access was encountered"
        : code == NO_DEVICE ? "no CUDA-capable device is detected" : "fake error %d", code);
    *text = words;
    return OK;
}
int cuGetErrorName(int code, const char **text) { return cuGetErrorString(code, text); }
int cuInit(unsigned flags) {
    (void)flags;
    CALL("cuInit");
    if (!strcmp(mode(), "hang")) for (;;) pause();
    if (!strcmp(mode(), "crash")) raise(SIGSEGV);
    if (!strcmp(mode(), "noisy")) { puts("[1, 2]\nnvgpu: hello"); fflush(stdout); }
    if (integrated < 0) integrated = getenv("FAKE_CUDA_INTEGRATED") != NULL;
    return strcmp(mode(), "no-device") ? OK : NO_DEVICE;
}
__attribute__((destructor)) static void leave(void) {
    if (!strcmp(mode(), "hang-at-exit")) for (;;) pause();
}
int cuDriverGetVersion(int *version) { *version = 12060; return OK; }
int cuDeviceGetCount(int *count) { *count = 1; return OK; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal ? 101 : OK; }
int cuDeviceGetName(char *name, int size, int device) {
    (void)device;
    snprintf(name, size, "Fake Orin");
    return OK;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    (void)device;
    *bytes = 7990898688;
    return OK;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    CALL("cuDeviceGetAttribute");
    *value = attribute == 75 ? 8 : attribute == 76 ? 7 : attribute == 18 ? integrated
        : attribute == 19; /* can map host memory */
    return OK;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
    (void)device;
    CALL("cuDevicePrimaryCtxRetain");
    shares++;
    *context = &primary;
    return OK;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
    (void)device;
    CALL("cuDevicePrimaryCtxRelease");
    if (shares == 0) return INVALID_CONTEXT;
    WAITS();
    if (--shares == 0) fake_note("~primary");
    return OK;
}
int cuCtxCreate_v4(void **context, void *parameters, unsigned flags, int device) {
    (void)parameters; (void)flags; (void)device;
    live[CONTEXT]++;
    *context = stack[depth++] = &other;
    return OK;
}
int cuCtxCreate_v2(void **context, unsigned flags, int device) {
    return cuCtxCreate_v4(context, NULL, flags, device);
}
int cuCtxDetach(void *context) {
    if (depth == 0 || stack[depth - 1] != context) return INVALID_CONTEXT;
    depth--;
    live[CONTEXT]--;
    return OK;
}
int cuCtxPushCurrent_v2(void *context) {
    CALL("cuCtxPushCurrent");
    stack[depth++] = context;
    return OK;
}
int cuCtxPopCurrent_v2(void **context) {
    CALL("cuCtxPopCurrent");
    if (depth == 0) return INVALID_CONTEXT;
    *context = stack[--depth];
    return OK;
}
void *fake_current(void) { return depth ? stack[depth - 1] : NULL; }

int cuMemAlloc_v2(void **out, size_t size) {
    APART("cuMemAlloc");
    return take(out, size, DEVICE, 0);
}
int cuMemFree_v2(void *start) {
    APART("cuMemFree");
    WAITS();
    fake_note("~device");
    return give(start, DEVICE);
}
int cuMemHostAlloc(void **out, size_t size, unsigned flags) {
    APART("cuMemHostAlloc");
    return take(out, size, HOST, (flags & 2) != 0); /* CU_MEMHOSTALLOC_DEVICEMAP */
}
int cuMemFreeHost(void *start) {
    APART("cuMemFreeHost");
    WAITS();
    fake_note("~host");
    return give(start, HOST);
}
int cuMemHostGetDevicePointer_v2(void **out, void *start, unsigned flags) {
    (void)flags;
    INSIDE("cuMemHostGetDevicePointer");
    Block *block = holds(start, 1);
    if (!block || !block->mapped) return INVALID_VALUE;
    *out = start;
    return OK;
}
int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t size, Stream *stream) {
    INSIDE("cuMemcpyHtoDAsync");
    return put(stream, (Work){.to = to, .from = from, .size = size, .up = 1});
}
int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t size, Stream *stream) {
    INSIDE("cuMemcpyDtoHAsync");
    return put(stream, (Work){.to = to, .from = from, .size = size});
}

int cuStreamCreate(Stream **stream, unsigned flags) {
    (void)flags;
    APART("cuStreamCreate");
    *stream = calloc(1, sizeof(Stream));
    live[STREAM]++;
    return OK;
}
int cuStreamDestroy_v2(Stream *stream) {
    APART("cuStreamDestroy");
    WAITS();
    fake_note("~stream");
    free(stream->queue.work);
    free(stream);
    live[STREAM]--;
    return OK;
}
int cuStreamQuery(Stream *stream) {
    APART("cuStreamQuery");
    if (stall) {
        if (stall > 0) stall--;
        return NOT_READY;
    }
    run(stream);
    return sticky > 0 ? sticky : OK;
}
int cuStreamSynchronize(Stream *stream) {
    APART("cuStreamSynchronize");
    WAITS();
    run(stream);
    return sticky > 0 ? sticky : OK;
}
int cuStreamBeginCapture_v2(Stream *stream, int capture_mode) {
    APART("cuStreamBeginCapture");
    if (capture_mode != 1) return INVALID_VALUE;
    stream->recording = calloc(1, sizeof(List));
    stream->spoilt = 0;
    live[GRAPH]++;
    recorder = stream;
    return OK;
}
int cuGraphDestroy(List *graph) {
    CALL("cuGraphDestroy");
    free(graph->work);
    free(graph);
    live[GRAPH]--;
    return OK;
}
int cuStreamEndCapture(Stream *stream, List **graph) {
    *graph = NULL;
    if (!stream->recording) return INVALID_VALUE;
    List *recorded = stream->recording;
    stream->recording = NULL;
    recorder = NULL;
    int code = enter("cuStreamEndCapture");
    if (code == OK && stream->spoilt) code = CAPTURE_INVALIDATED;
    if (code != OK) {
        free(recorded->work);
        free(recorded);
        live[GRAPH]--;
        return code;
    }
    *graph = recorded;
    return OK;
}
int cuGraphInstantiateWithFlags(List **exec, List *graph, unsigned long long flags) {
    INSIDE("cuGraphInstantiate");
    if (flags) return INVALID_VALUE;
    *exec = calloc(1, sizeof(List));
    for (int i = 0; i < graph->count; i++) add(*exec, graph->work[i]);
    live[EXEC]++;
    return OK;
}
int cuGraphLaunch(List *exec, Stream *stream) {
    INSIDE("cuGraphLaunch");
    for (int i = 0; i < exec->count; i++) add(&stream->queue, exec->work[i]);
    return OK;
}
int cuGraphExecDestroy(List *exec) {
    INSIDE("cuGraphExecDestroy");
    fake_note("~graph");
    free(exec->work);
    free(exec);
    live[EXEC]--;
    return OK;
}
