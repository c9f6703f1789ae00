/* SPDX-License-Identifier: MIT */
/* CUDA's runtime interface on the host's memory: work runs when it is queued, or is recorded where its stream is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "emulator.h"

namespace {

typedef std::vector<std::function<void()>> work_list;

struct capture {
    work_list work;
    cudaStreamCaptureMode mode;
    std::thread::id thread;
    cudaStream_t origin;
    bool origin_blocks, valid;
};

} // namespace

struct CUstream_st {
    bool blocking;
    std::shared_ptr<capture> recording;
};

struct CUevent_st {
    bool timed, recorded;
    std::chrono::steady_clock::time_point time;
    std::shared_ptr<capture> recording; /* recorded on a stream that was */
};

struct CUgraph_st {
    work_list work;
};

struct CUgraphExec_st {
    work_list work;
};

namespace {

enum { SHARED = 48 << 10, SHARED_OPT_IN = 227 << 10, MULTIPROCESSORS = 4, CACHE = 4 << 20, VERSION = 12000 };

std::mutex state_lock;
std::map<uintptr_t, size_t> device_memory, host_memory; /* bytes of each allocation, by its address */
size_t allocated;
std::vector<std::shared_ptr<capture>> captures; /* under way */
std::map<const void *, int> allowed_shared;     /* bytes a kernel was allowed */
std::vector<CUstream_st *> streams;
CUstream_st default_stream = {true, nullptr};
thread_local cudaError_t last_error;

cudaError_t result(cudaError_t error) {
    if (error != cudaSuccess) last_error = error;
    return error;
}

CUstream_st *stream_of(cudaStream_t stream) {
    return stream ? stream : &default_stream;
}

/* Calls that would wait for the device, or may, spoil recordings: all of them, or those of the calling thread. */
bool spoils_recordings() {
    bool spoilt = false;
    for (auto &c : captures) {
        bool harms = c->mode == cudaStreamCaptureModeGlobal ||
                     (c->mode == cudaStreamCaptureModeThreadLocal && c->thread == std::this_thread::get_id());
        if (harms) {
            c->valid = false;
            spoilt = true;
        }
    }
    return spoilt;
}

/* The allocation that holds an address, or none. */
const std::pair<const uintptr_t, size_t> *allocation(const std::map<uintptr_t, size_t> &of, const void *memory) {
    auto next = of.upper_bound((uintptr_t)memory);
    if (next == of.begin()) return nullptr;
    --next;
    return (uintptr_t)memory - next->first < next->second ? &*next : nullptr;
}

bool is_within(const std::map<uintptr_t, size_t> &of, const void *memory, size_t bytes) {
    auto found = allocation(of, memory);
    return found && bytes <= found->first + found->second - (uintptr_t)memory;
}

size_t memory_total() {
    const char *bytes = getenv("RIN_EMULATE_MEMORY");
    return bytes ? strtoull(bytes, nullptr, 10) : (size_t)4 << 30;
}

cudaError_t allocate(std::map<uintptr_t, size_t> &in, void **memory, size_t bytes) {
    if (!memory) return cudaErrorInvalidValue;
    *memory = nullptr;
    std::lock_guard<std::mutex> lock(state_lock);
    if (spoils_recordings()) return cudaErrorNotSupported;
    if (!bytes) return cudaSuccess;
    bool device = &in == &device_memory;
    if (device && (bytes > memory_total() || allocated > memory_total() - bytes)) return cudaErrorMemoryAllocation;
    if (posix_memalign(memory, 256, bytes)) {
        *memory = nullptr;
        return cudaErrorMemoryAllocation;
    }
    rin_emulate::fill(*memory, 0xFF, bytes);
    in[(uintptr_t)*memory] = bytes;
    if (device) allocated += bytes;
    return cudaSuccess;
}

cudaError_t release(std::map<uintptr_t, size_t> &from, void *memory) {
    if (!memory) return cudaSuccess;
    std::lock_guard<std::mutex> lock(state_lock);
    if (spoils_recordings()) return cudaErrorNotSupported;
    auto found = from.find((uintptr_t)memory);
    if (found == from.end()) return cudaErrorInvalidValue;
    if (&from == &device_memory) allocated -= found->second;
    from.erase(found);
    free(memory);
    return cudaSuccess;
}

cudaError_t check_copy(const void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
    if (kind == cudaMemcpyDefault) return cudaSuccess;
    bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    std::lock_guard<std::mutex> lock(state_lock);
    bool fits = to_device ? is_within(device_memory, to, bytes) : !allocation(device_memory, to);
    fits = fits && (from_device ? is_within(device_memory, from, bytes) : !allocation(device_memory, from));
    return fits ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t copy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    if (!bytes) return cudaSuccess;
    cudaError_t error = check_copy(to, from, bytes, kind);
    if (error != cudaSuccess) return error;
    return rin_emulate::queue(stream, [=] { memmove(to, from, bytes); });
}

cudaError_t fill(void *memory, int byte, size_t bytes, cudaStream_t stream) {
    if (!bytes) return cudaSuccess;
    {
        std::lock_guard<std::mutex> lock(state_lock);
        if (!is_within(device_memory, memory, bytes) && !is_within(host_memory, memory, bytes))
            return cudaErrorInvalidValue;
    }
    return rin_emulate::queue(stream, [=] { rin_emulate::fill(memory, byte, bytes); });
}

/* Whether the calling thread may wait for everything now. */
cudaError_t wait_for_all() {
    std::lock_guard<std::mutex> lock(state_lock);
    return spoils_recordings() ? cudaErrorNotSupported : cudaSuccess;
}

} // namespace

cudaError_t rin_emulate::queue(cudaStream_t stream, std::function<void()> work) {
    {
        std::lock_guard<std::mutex> lock(state_lock);
        CUstream_st *s = stream_of(stream);
        if (s->recording) {
            if (!s->recording->valid) return cudaErrorStreamCaptureInvalidated;
            s->recording->work.push_back(std::move(work));
            return cudaSuccess;
        }
        /* The default stream would wait for the streams that are recorded. */
        bool waits = false;
        for (auto &c : captures) {
            if (stream || !c->origin_blocks) continue;
            c->valid = false;
            waits = true;
        }
        if (waits) return cudaErrorStreamCaptureImplicit;
    }
    work();
    return cudaSuccess;
}

void rin_emulate::start(const launch &how, const void *function, cudaStream_t stream, std::function<void()> thread) {
    const uint64_t threads = (uint64_t)how.block.x * how.block.y * how.block.z;
    const uint64_t blocks = (uint64_t)how.grid.x * how.grid.y * how.grid.z;
    bool fits = threads >= 1 && threads <= 1024 && how.block.z <= 64 && blocks >= 1 && how.grid.x <= INT32_MAX &&
                how.grid.y <= 65535 && how.grid.z <= 65535;
    size_t most = SHARED;
    {
        std::lock_guard<std::mutex> lock(state_lock);
        auto found = allowed_shared.find(function);
        if (found != allowed_shared.end()) most = std::max(most, (size_t)found->second);
    }
    if (!fits) result(cudaErrorInvalidConfiguration);
    else if (how.shared > most) result(cudaErrorInvalidValue);
    else result(queue(stream, [how, thread = std::move(thread)] { run(how, thread); }));
}

extern "C" {

cudaError_t rin_emulate_queue(cudaStream_t stream, void (*run)(void *), const void *context, size_t context_bytes) {
    const unsigned char *bytes = (const unsigned char *)context;
    std::vector<unsigned char> copy(bytes, bytes + context_bytes);
    return result(rin_emulate::queue(stream, [=]() mutable { run(copy.data()); }));
}

/* ---- errors, the device ---- */

cudaError_t cudaGetLastError(void) {
    cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

cudaError_t cudaPeekAtLastError(void) {
    return last_error;
}

const char *cudaGetErrorName(cudaError_t error) {
    switch (error) {
#define NAME(error) \
    case error: return #error
        NAME(cudaSuccess);
        NAME(cudaErrorInvalidValue);
        NAME(cudaErrorMemoryAllocation);
        NAME(cudaErrorInitializationError);
        NAME(cudaErrorInvalidConfiguration);
        NAME(cudaErrorInvalidMemcpyDirection);
        NAME(cudaErrorInsufficientDriver);
        NAME(cudaErrorNoDevice);
        NAME(cudaErrorInvalidDevice);
        NAME(cudaErrorInvalidResourceHandle);
        NAME(cudaErrorIllegalState);
        NAME(cudaErrorNotReady);
        NAME(cudaErrorIllegalAddress);
        NAME(cudaErrorLaunchFailure);
        NAME(cudaErrorNotPermitted);
        NAME(cudaErrorNotSupported);
        NAME(cudaErrorStreamCaptureUnsupported);
        NAME(cudaErrorStreamCaptureInvalidated);
        NAME(cudaErrorStreamCaptureUnmatched);
        NAME(cudaErrorStreamCaptureIsolation);
        NAME(cudaErrorStreamCaptureImplicit);
        NAME(cudaErrorCapturedEvent);
        NAME(cudaErrorStreamCaptureWrongThread);
        NAME(cudaErrorUnknown);
#undef NAME
    }
    return "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error) {
    switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorNotSupported: return "operation not supported";
    default: return cudaGetErrorName(error);
    }
}

cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = VERSION;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version) {
    *version = VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count) {
    *count = 1;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device) {
    *device = 0;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    return result(device == 0 ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device) {
    if (device != 0) return result(cudaErrorInvalidDevice);
    *properties = cudaDeviceProp();
    strcpy(properties->name, "emulated GPU");
    properties->totalGlobalMem = memory_total();
    properties->sharedMemPerBlock = SHARED;
    properties->sharedMemPerBlockOptin = SHARED_OPT_IN;
    properties->multiProcessorCount = MULTIPROCESSORS;
    properties->major = 9;
    properties->l2CacheSize = CACHE;
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = 1024;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
    if (device != 0) return result(cudaErrorInvalidDevice);
    switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = SHARED; return cudaSuccess;
    case cudaDevAttrWarpSize: *value = 32; return cudaSuccess;
    case cudaDevAttrMultiProcessorCount: *value = MULTIPROCESSORS; return cudaSuccess;
    case cudaDevAttrL2CacheSize: *value = CACHE; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor: *value = 9; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor: *value = 0; return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = SHARED_OPT_IN; return cudaSuccess;
    }
    return result(cudaErrorInvalidValue);
}

cudaError_t cudaDeviceSynchronize(void) {
    return result(wait_for_all());
}

cudaError_t cudaFuncSetAttribute(const void *function, enum cudaFuncAttribute attribute, int value) {
    if (!function) return result(cudaErrorInvalidValue);
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
    if (value < 0 || value > SHARED_OPT_IN) return result(cudaErrorInvalidValue);
    std::lock_guard<std::mutex> lock(state_lock);
    allowed_shared[function] = value;
    return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *function, int block, size_t shared) {
    if (!function || block < 1 || block > 1024) return result(cudaErrorInvalidValue);
    int by_shared = shared ? (int)(SHARED_OPT_IN / shared) : 32;
    *blocks = std::min({32, 2048 / block, by_shared});
    return cudaSuccess;
}

/* ---- memory ---- */

cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
    std::lock_guard<std::mutex> lock(state_lock);
    *total = memory_total();
    *available = *total > allocated ? *total - allocated : 0;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **memory, size_t bytes) {
    return result(allocate(device_memory, memory, bytes));
}

cudaError_t cudaFree(void *memory) {
    return result(release(device_memory, memory));
}

cudaError_t cudaMallocHost(void **memory, size_t bytes) {
    return result(allocate(host_memory, memory, bytes));
}

cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned) {
    return result(allocate(host_memory, memory, bytes));
}

cudaError_t cudaFreeHost(void *memory) {
    return result(release(host_memory, memory));
}

cudaError_t cudaMemset(void *memory, int byte, size_t bytes) {
    cudaError_t error = wait_for_all();
    return result(error != cudaSuccess ? error : fill(memory, byte, bytes, nullptr));
}

cudaError_t cudaMemsetAsync(void *memory, int byte, size_t bytes, cudaStream_t stream) {
    return result(fill(memory, byte, bytes, stream));
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind) {
    cudaError_t error = wait_for_all();
    return result(error != cudaSuccess ? error : copy(to, from, bytes, kind, nullptr));
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream) {
    return result(copy(to, from, bytes, kind, stream));
}

/* ---- streams ---- */

cudaError_t cudaStreamCreate(cudaStream_t *stream) {
    return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
    std::lock_guard<std::mutex> lock(state_lock);
    *stream = new CUstream_st{flags != cudaStreamNonBlocking, nullptr};
    streams.push_back(*stream);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    std::lock_guard<std::mutex> lock(state_lock);
    auto found = std::find(streams.begin(), streams.end(), stream);
    if (found == streams.end()) return result(cudaErrorInvalidResourceHandle);
    if (stream->recording) {
        auto c = stream->recording;
        c->valid = false;
        if (c->origin == stream) {
            captures.erase(std::remove(captures.begin(), captures.end(), c), captures.end());
            for (CUstream_st *s : streams)
                if (s->recording == c) s->recording.reset();
        }
    }
    streams.erase(found);
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    std::lock_guard<std::mutex> lock(state_lock);
    CUstream_st *s = stream_of(stream);
    if (!s->recording) return cudaSuccess;
    s->recording->valid = false;
    return result(cudaErrorNotSupported);
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
    return cudaStreamSynchronize(stream);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    if (!event) return result(cudaErrorInvalidResourceHandle);
    std::lock_guard<std::mutex> lock(state_lock);
    CUstream_st *s = stream_of(stream);
    if (event->recording) {
        /* A stream that waits for a recorded one is recorded with it, in the order in which work is queued. */
        if (!event->recording->valid) return result(cudaErrorStreamCaptureInvalidated);
        if (std::find(captures.begin(), captures.end(), event->recording) == captures.end())
            return result(cudaErrorCapturedEvent);
        if (!s->recording) s->recording = event->recording;
        if (s->recording == event->recording) return cudaSuccess;
    } else if (!s->recording || !event->recorded) {
        return cudaSuccess;
    }
    s->recording->valid = false;
    return result(cudaErrorStreamCaptureIsolation);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *user) {
    if (!function) return result(cudaErrorInvalidValue);
    return result(rin_emulate::queue(stream, [=] { function(user); }));
}

/* ---- events ---- */

cudaError_t cudaEventCreate(cudaEvent_t *event) {
    return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
    *event = new CUevent_st{(flags & cudaEventDisableTiming) == 0, false, {}, nullptr};
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    if (!event) return result(cudaErrorInvalidResourceHandle);
    std::lock_guard<std::mutex> lock(state_lock);
    CUstream_st *s = stream_of(stream);
    if (s->recording && !s->recording->valid) return result(cudaErrorStreamCaptureInvalidated);
    event->recording = s->recording;
    event->recorded = true;
    event->time = std::chrono::steady_clock::now();
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    if (!event) return result(cudaErrorInvalidResourceHandle);
    std::lock_guard<std::mutex> lock(state_lock);
    if (!event->recording) return cudaSuccess;
    event->recording->valid = false;
    return result(cudaErrorCapturedEvent);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
    return cudaEventSynchronize(event);
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end) {
    if (!start || !end) return result(cudaErrorInvalidResourceHandle);
    std::lock_guard<std::mutex> lock(state_lock);
    if (start->recording || end->recording) return result(cudaErrorCapturedEvent);
    if (!start->timed || !end->timed || !start->recorded || !end->recorded)
        return result(cudaErrorInvalidResourceHandle);
    *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    if (!event) return result(cudaErrorInvalidResourceHandle);
    delete event;
    return cudaSuccess;
}

/* ---- recordings ---- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
    /* As CUDA, which cannot record the default stream. */
    if (!stream) return result(cudaErrorNotSupported);
    std::lock_guard<std::mutex> lock(state_lock);
    if (stream->recording) return result(cudaErrorIllegalState);
    stream->recording = std::make_shared<capture>(
        capture{{}, mode, std::this_thread::get_id(), stream, stream->blocking, true});
    captures.push_back(stream->recording);
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
    if (!graph) return result(cudaErrorInvalidValue);
    *graph = nullptr;
    std::lock_guard<std::mutex> lock(state_lock);
    auto c = stream_of(stream)->recording;
    if (!c) return result(cudaErrorIllegalState);
    if (c->origin != stream) return result(cudaErrorStreamCaptureUnmatched);
    if (c->mode != cudaStreamCaptureModeRelaxed && c->thread != std::this_thread::get_id())
        return result(cudaErrorStreamCaptureWrongThread);
    for (CUstream_st *s : streams)
        if (s->recording == c) s->recording.reset();
    captures.erase(std::remove(captures.begin(), captures.end(), c), captures.end());
    if (!c->valid) return result(cudaErrorStreamCaptureInvalidated);
    *graph = new CUgraph_st{c->work};
    return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status) {
    std::lock_guard<std::mutex> lock(state_lock);
    CUstream_st *s = stream_of(stream);
    *status = !s->recording         ? cudaStreamCaptureStatusNone
              : s->recording->valid ? cudaStreamCaptureStatusActive
                                    : cudaStreamCaptureStatusInvalidated;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long) {
    if (!exec || !graph) return result(cudaErrorInvalidValue);
    *exec = new CUgraphExec_st{graph->work};
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
    if (!exec) return result(cudaErrorInvalidValue);
    for (auto &work : exec->work) {
        cudaError_t error = rin_emulate::queue(stream, work);
        if (error != cudaSuccess) return result(error);
    }
    return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t) {
    return result(exec ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    if (!exec) return result(cudaErrorInvalidValue);
    delete exec;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    if (!graph) return result(cudaErrorInvalidValue);
    delete graph;
    return cudaSuccess;
}

} /* extern "C" */
