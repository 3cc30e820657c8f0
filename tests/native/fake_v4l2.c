/* A V4L2 camera for a machine without one: preloaded, it answers for the path in FAKE_V4L2.
 *
 * open, close, ioctl and mmap of that device are answered in here; the descriptor is an eventfd
 * with one count a filled buffer, so poll and select are the kernel's own. A thread fills buffers
 * at the rate that was set.
 *
 *   FAKE_V4L2          path of the device, such as /dev/video7
 *   FAKE_V4L2_FORMATS  what it offers, such as "YUYV,MJPG"
 *   FAKE_V4L2_SETUP    words for how it answers while it is set up, see `says`
 *   FAKE_V4L2_CONTROL  file whose first byte is a letter for what happens while it streams:
 *                      - nothing, f freezes, u is unplugged, i fails with EIO, e flags errors,
 *                      s sends half a picture, z sends no bytes
 *   FAKE_V4L2_MJPG, FAKE_V4L2_H264  files of pictures, each behind its length in 4 bytes
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define COOKIE 0x7a000000LL
#define MOST 8
#define PADDING 32

struct mode { const char *fourcc; uint32_t width, height, rates[3]; };

static const struct mode MODES[] = {
    {"YUYV", 640, 480, {30, 15}},   {"YUYV", 1280, 720, {10}},   {"MJPG", 640, 480, {60, 30}},
    {"MJPG", 1280, 720, {30}},      {"NV12", 320, 240, {30}},    {"H264", 640, 480, {30}},
    {"UYVY", 64, 48, {60}},         {"YU12", 64, 48, {60}},      {"GREY", 64, 48, {60}},
    {"RGB3", 64, 48, {60}},
};
static const int MODE_COUNT = sizeof(MODES) / sizeof(*MODES);

static int device = -1;
static int memory = -1;
static volatile char *control;
static uint32_t fourcc, width = 640, height = 480, row, size_image, rate = 30, length, count;
static uint8_t *mapped;
static struct v4l2_buffer waiting[MOST], filled[MOST];
static int waiting_count, filled_count;
static uint32_t sequence;
static int streaming;
static pthread_t filler;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t *film;
static size_t film_size, film_place;

static int fail(int number) { errno = number; return -1; }

static int says(const char *word) {
    const char *setup = getenv("FAKE_V4L2_SETUP");
    return setup && strstr(setup, word);
}

static char now(void) { return control ? *control : '-'; }

static uint32_t code_of(const char *name) { return v4l2_fourcc(name[0], name[1], name[2], name[3]); }

static int offered(const char *name) {
    const char *formats = getenv("FAKE_V4L2_FORMATS");
    return formats ? strstr(formats, name) != NULL : 1;
}

static int is_ours(const char *path) {
    const char *ours = getenv("FAKE_V4L2");
    return ours && strcmp(path, ours) == 0;
}

static int open_ours(void) {
    if (says("denied")) return fail(EACCES);
    if (says("slow-open")) sleep(1);
    if (says("busy-open")) return fail(EBUSY);
    const char *path = getenv("FAKE_V4L2_CONTROL");
    if (path && !control) {
        int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
        void *place = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
        close(fd);
        if (place != MAP_FAILED) control = place;
    }
    device = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
    return device;
}

static int open_any(int folder, const char *path, int flags, mode_t mode) {
    if (is_ours(path)) return open_ours();
    return syscall(SYS_openat, folder, path, flags, mode);
}

#define OPEN(folder)                                                       \
    va_list more;                                                          \
    va_start(more, flags);                                                 \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, int) : 0; \
    va_end(more);                                                          \
    return open_any(folder, path, flags, mode)

int open(const char *path, int flags, ...) { OPEN(AT_FDCWD); }
int open64(const char *path, int flags, ...) { OPEN(AT_FDCWD); }
int openat(int folder, const char *path, int flags, ...) { OPEN(folder); }
int openat64(int folder, const char *path, int flags, ...) { OPEN(folder); }

static void stop(void) {
    if (!streaming) return;
    streaming = 0;
    pthread_join(filler, NULL);
    uint64_t one;
    while (read(device, &one, sizeof(one)) > 0) {}
    waiting_count = filled_count = 0;
}

int close(int fd) {
    if (fd >= 0 && fd == device) {
        stop();
        if (memory >= 0) syscall(SYS_close, memory);
        if (mapped) munmap(mapped, (size_t)length * count);
        free(film);
        film = NULL;
        mapped = NULL;
        device = memory = -1;
    }
    return syscall(SYS_close, fd);
}

static void *map_any(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) {
    if (fd >= 0 && memory >= 0 && offset >= COOKIE) {
        fd = memory;
        offset -= COOKIE;
    }
    return (void *)syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) {
    return map_any(at, bytes, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t bytes, int protection, int flags, int fd, off64_t offset) {
    return map_any(at, bytes, protection, flags, fd, offset);
}

/* Luma of column x, row y of picture n; U and V of chroma column x. The tests know these too. */
static uint8_t luma(uint32_t x, uint32_t y, uint32_t n) { return 3 * x + 5 * y + n; }
static uint8_t u_of(uint32_t x, uint32_t y, uint32_t n) { return x + 2 * (y / 2) + n; }
static uint8_t v_of(uint32_t x, uint32_t y, uint32_t n) { return 7 * x + y / 2 + 2 * n; }

static void draw_packed(uint8_t *at, uint32_t n, int first) {
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x += 2) {
            uint8_t *four = at + (size_t)y * row + 2 * x;
            four[first] = luma(x, y, n);
            four[first + 2] = luma(x + 1, y, n);
            four[1 - first] = u_of(x / 2, y, n);
            four[3 - first] = v_of(x / 2, y, n);
        }
}

static void draw_planes(uint8_t *at, uint32_t n) {
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) at[(size_t)y * row + x] = luma(x, y, n);
    uint8_t *chroma = at + (size_t)height * row;
    for (uint32_t y = 0; y < height / 2; y++)
        for (uint32_t x = 0; x < width / 2; x++) {
            if (fourcc == V4L2_PIX_FMT_NV12) {
                chroma[(size_t)y * row + 2 * x] = u_of(x, 2 * y, n);
                chroma[(size_t)y * row + 2 * x + 1] = v_of(x, 2 * y, n);
            } else if (fourcc == V4L2_PIX_FMT_YUV420) {
                chroma[(size_t)y * (row / 2) + x] = u_of(x, 2 * y, n);
                chroma[(size_t)(y + height / 2) * (row / 2) + x] = v_of(x, 2 * y, n);
            }
        }
}

static uint32_t draw(uint8_t *at, uint32_t n) {
    if (film) {
        uint32_t bytes;
        memcpy(&bytes, film + film_place, 4);
        memcpy(at, film + film_place + 4, bytes);
        film_place += 4 + bytes;
        if (film_place >= film_size) film_place = 0;
        return bytes;
    }
    if (fourcc == V4L2_PIX_FMT_YUYV) draw_packed(at, n, 0);
    else if (fourcc == V4L2_PIX_FMT_UYVY) draw_packed(at, n, 1);
    else draw_planes(at, n);
    return size_image;
}

static void *fill(void *nothing) {
    (void)nothing;
    struct timespec when;
    struct v4l2_buffer last = {0};
    clock_gettime(CLOCK_MONOTONIC, &when);
    while (streaming) {
        when.tv_nsec += 1000000000L / rate;
        if (when.tv_nsec >= 1000000000L) { when.tv_nsec -= 1000000000L; when.tv_sec++; }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
        char what = now();
        if (what == 'f') continue;
        if (what == 'u' || what == 'i') {
            eventfd_write(device, 1); /* as the kernel wakes who waits */
            continue;
        }
        pthread_mutex_lock(&lock);
        if (waiting_count) {
            struct v4l2_buffer buffer = waiting[0];
            memmove(waiting, waiting + 1, sizeof(*waiting) * --waiting_count);
            struct timespec taken;
            clock_gettime(says("wall-clock") ? CLOCK_REALTIME : CLOCK_MONOTONIC, &taken);
            buffer.timestamp.tv_sec = taken.tv_sec + (says("future") ? 3600 : 0);
            buffer.timestamp.tv_usec = taken.tv_nsec / 1000;
            buffer.flags = says("wall-clock") ? V4L2_BUF_FLAG_TIMESTAMP_UNKNOWN
                                              : V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
            buffer.sequence = says("no-count") ? 0 : sequence;
            buffer.bytesused = draw(mapped + (size_t)buffer.index * length, sequence++);
            /* The same picture for ever, as a driver has it whose sensor stands still. */
            if (what == 'r') {
                buffer.timestamp = last.timestamp;
                buffer.sequence = last.sequence;
            }
            if (says("no-time")) memset(&buffer.timestamp, 0, sizeof(buffer.timestamp));
            last = buffer;
            if (what == 'e') buffer.flags |= V4L2_BUF_FLAG_ERROR;
            if (what == 's') buffer.bytesused /= 2;
            if (what == 'z') buffer.bytesused = 0;
            filled[filled_count++] = buffer;
            eventfd_write(device, 1);
        }
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void load_film(void) {
    free(film);
    film = NULL;
    film_place = film_size = 0;
    const char *path = NULL;
    if (fourcc == V4L2_PIX_FMT_MJPEG) path = getenv("FAKE_V4L2_MJPG");
    if (fourcc == V4L2_PIX_FMT_H264) path = getenv("FAKE_V4L2_H264");
    FILE *file = path ? fopen(path, "rb") : NULL;
    if (!file) return;
    fseek(file, 0, SEEK_END);
    film_size = ftell(file);
    rewind(file);
    film = malloc(film_size);
    if (fread(film, 1, film_size, file) != film_size) abort();
    fclose(file);
}

static void describe(struct v4l2_pix_format *pix) {
    int packed = fourcc == V4L2_PIX_FMT_YUYV || fourcc == V4L2_PIX_FMT_UYVY;
    int compressed = fourcc == V4L2_PIX_FMT_MJPEG || fourcc == V4L2_PIX_FMT_H264;
    int halves = fourcc == V4L2_PIX_FMT_NV12 || fourcc == V4L2_PIX_FMT_YUV420;
    row = compressed ? 0 : width * (packed ? 2 : 1) + PADDING;
    size_image = compressed ? width * height * 2 : row * (halves ? height * 3 / 2 : height);
    memset(pix, 0, sizeof(*pix));
    pix->width = width;
    pix->height = height;
    pix->pixelformat = fourcc;
    pix->field = says("fields") ? V4L2_FIELD_ALTERNATE : V4L2_FIELD_NONE;
    pix->bytesperline = row;
    pix->sizeimage = size_image;
    pix->colorspace = V4L2_COLORSPACE_SRGB;
    if (says("full-range")) pix->quantization = V4L2_QUANTIZATION_FULL_RANGE;
}

static int set_format(struct v4l2_pix_format *pix) {
    if (says("busy-format")) return fail(EBUSY);
    if (says("rgb")) pix->pixelformat = V4L2_PIX_FMT_RGB24;
    fourcc = pix->pixelformat;
    width = pix->width;
    height = pix->height;
    if (says("other-size")) width = 352, height = 288;
    describe(pix);
    return 0;
}

static int list_formats(struct v4l2_fmtdesc *entry) {
    uint32_t place = 0;
    for (int i = 0; i < MODE_COUNT; i++) {
        if (i && strcmp(MODES[i].fourcc, MODES[i - 1].fourcc) == 0) continue;
        if (!offered(MODES[i].fourcc) || place++ != entry->index) continue;
        entry->pixelformat = code_of(MODES[i].fourcc);
        return 0;
    }
    return fail(EINVAL);
}

static int list_sizes(struct v4l2_frmsizeenum *entry) {
    if (says("no-lists")) return fail(ENOTTY);
    if (says("steps")) {
        if (entry->index) return fail(EINVAL);
        entry->type = V4L2_FRMSIZE_TYPE_STEPWISE;
        entry->stepwise = (struct v4l2_frmsize_stepwise){32, 1920, 8, 32, 1080, 4};
        return 0;
    }
    uint32_t place = 0;
    for (int i = 0; i < MODE_COUNT; i++) {
        if (code_of(MODES[i].fourcc) != entry->pixel_format || place++ != entry->index) continue;
        entry->type = V4L2_FRMSIZE_TYPE_DISCRETE;
        entry->discrete = (struct v4l2_frmsize_discrete){MODES[i].width, MODES[i].height};
        return 0;
    }
    return fail(EINVAL);
}

static int list_rates(struct v4l2_frmivalenum *entry) {
    if (says("no-lists")) return fail(ENOTTY);
    if (says("steps")) {
        if (entry->index) return fail(EINVAL);
        entry->type = V4L2_FRMIVAL_TYPE_CONTINUOUS;
        entry->stepwise = (struct v4l2_frmival_stepwise){{1, 60}, {1, 5}, {1, 1}};
        return 0;
    }
    for (int i = 0; i < MODE_COUNT; i++) {
        const struct mode *mode = &MODES[i];
        if (code_of(mode->fourcc) != entry->pixel_format || mode->width != entry->width ||
            mode->height != entry->height)
            continue;
        if (entry->index >= 3 || !mode->rates[entry->index]) return fail(EINVAL);
        entry->type = V4L2_FRMIVAL_TYPE_DISCRETE;
        entry->discrete = (struct v4l2_fract){1, mode->rates[entry->index]};
        return 0;
    }
    return fail(EINVAL);
}

static int rate_call(struct v4l2_streamparm *parameters, int set) {
    if (says("no-rate")) return fail(ENOTTY);
    struct v4l2_captureparm *capture = &parameters->parm.capture;
    if (set && capture->timeperframe.numerator)
        rate = capture->timeperframe.denominator / capture->timeperframe.numerator;
    if (says("other-rate")) rate = 7;
    capture->capability = V4L2_CAP_TIMEPERFRAME;
    capture->timeperframe = (struct v4l2_fract){1, rate};
    return 0;
}

static int request(struct v4l2_requestbuffers *asked) {
    if (says("busy-buffers")) return fail(EBUSY);
    count = asked->count > MOST ? MOST : asked->count;
    asked->count = count;
    length = (size_image + 4095) / 4096 * 4096;
    memory = memfd_create("frames", MFD_CLOEXEC);
    if (ftruncate(memory, (off_t)length * count)) return -1;
    mapped = map_any(NULL, (size_t)length * count, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    memset(mapped, 0xee, (size_t)length * count);
    load_film();
    return 0;
}

static int take(struct v4l2_buffer *buffer) {
    if (now() == 'u') return fail(ENODEV);
    if (now() == 'i') return fail(EIO);
    uint64_t one;
    if (read(device, &one, sizeof(one)) < 0) return -1; /* EAGAIN */
    pthread_mutex_lock(&lock);
    int some = filled_count;
    if (some) {
        *buffer = filled[0];
        memmove(filled, filled + 1, sizeof(*filled) * --filled_count);
    }
    pthread_mutex_unlock(&lock);
    return some ? 0 : fail(EAGAIN);
}

static int answer(unsigned int call, void *data) {
    struct v4l2_buffer *buffer = data;
    switch (call) {
    case VIDIOC_QUERYCAP: {
        if (says("no-camera")) return fail(ENOTTY);
        struct v4l2_capability *able = data;
        memset(able, 0, sizeof(*able));
        able->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_DEVICE_CAPS;
        able->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        if (says("metadata")) able->device_caps = V4L2_CAP_META_CAPTURE | V4L2_CAP_STREAMING;
        if (says("multi-planar")) able->device_caps = V4L2_CAP_VIDEO_CAPTURE_MPLANE;
        if (says("no-streaming")) able->device_caps = V4L2_CAP_VIDEO_CAPTURE;
        return 0;
    }
    case VIDIOC_ENUM_FMT: return list_formats(data);
    case VIDIOC_ENUM_FRAMESIZES: return list_sizes(data);
    case VIDIOC_ENUM_FRAMEINTERVALS: return list_rates(data);
    case VIDIOC_G_FMT: describe(&((struct v4l2_format *)data)->fmt.pix); return 0;
    case VIDIOC_S_FMT: return set_format(&((struct v4l2_format *)data)->fmt.pix);
    case VIDIOC_G_PARM: return rate_call(data, 0);
    case VIDIOC_S_PARM: return rate_call(data, 1);
    case VIDIOC_REQBUFS: return request(data);
    case VIDIOC_QUERYBUF:
        buffer->length = length;
        buffer->m.offset = COOKIE + buffer->index * length;
        return 0;
    case VIDIOC_QBUF:
        pthread_mutex_lock(&lock);
        waiting[waiting_count++] = *buffer;
        pthread_mutex_unlock(&lock);
        return now() == 'u' ? fail(ENODEV) : 0;
    case VIDIOC_DQBUF: return take(buffer);
    case VIDIOC_STREAMON:
        streaming = 1;
        return pthread_create(&filler, NULL, fill, NULL) ? fail(EAGAIN) : 0;
    case VIDIOC_STREAMOFF:
        if (says("slow-stop")) sleep(3);
        stop();
        return 0;
    default: return fail(ENOTTY);
    }
}

int ioctl(int fd, unsigned long call, ...) {
    va_list more;
    va_start(more, call);
    void *data = va_arg(more, void *);
    va_end(more);
    if (fd < 0 || fd != device) return syscall(SYS_ioctl, fd, call, data);
    return answer((unsigned int)call, data);
}
