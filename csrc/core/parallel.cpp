// parallel_for over a team whose threads begin with a share of the tasks each and end with what is
// left of the others': loop after loop over the same matrices finds them in the same core's cache.
#include "core/parallel.h"

#include <dlfcn.h>
#include <omp.h>
#include <time.h>
#ifdef __linux__
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>

#include "core/team.h"
#include "core/threads.h"

namespace layerwise {
namespace {

std::atomic<int> team_of_last_loop{0};
std::atomic<int> fixed_num_threads{0};

// Work below this is done sooner by one thread than by waking a second.
constexpr double min_flops_per_thread = 5e4;
// Tasks are taken in runs of about this much, so that tiny ones do not fight over the counter.
constexpr double flops_per_run = 2e4;

constexpr int64_t cpus_valid_ns = 10'000'000;
#ifdef CLOCK_MONOTONIC_COARSE
constexpr clockid_t coarse_clock = CLOCK_MONOTONIC_COARSE;
#else
constexpr clockid_t coarse_clock = CLOCK_MONOTONIC;
#endif

int counted_cpus() {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
    return omp_get_num_procs();
}

// Of the calling thread, which may be kept to fewer than others. Counted again after some
// milliseconds: to ask the system takes half a microsecond.
int available_cpus() {
    thread_local int64_t counted_at = -1;
    thread_local int cpus = 0;
    timespec time;
    clock_gettime(coarse_clock, &time);
    const int64_t now = (int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec) / cpus_valid_ns;
    if (counted_at != now) cpus = counted_cpus(), counted_at = now;
    return cpus;
}

int team_size(const Target& target, int64_t tasks, double flops_per_task) {
    if (omp_in_parallel() != 0) return 1;  // the caller's own team has the cores already
    const double worthwhile =
        1 + static_cast<double>(tasks) * flops_per_task / min_flops_per_thread;
    int64_t team = std::min<int64_t>(target.num_threads, tasks);
    if (worthwhile < static_cast<double>(team)) team = static_cast<int64_t>(worthwhile);
    return static_cast<int>(std::max<int64_t>(team, 1));
}

// A thread's share of the tasks: what is left of it is [next, end).
struct alignas(64) Share {
    std::atomic<int64_t> next;
    int64_t end;
};

constexpr int max_shares = 32;  // of more threads some begin in the same one

struct Loop {
    const Target& target;
    int64_t tasks_per_run;
    void (*body)(void*, int64_t, int);
    void* context;
    int shares;
    Share share[max_shares];
    std::atomic<bool> stopped{false};

    Loop(const Target& given, int64_t tasks, int64_t per_run, int team,
         void (*work_on)(void*, int64_t, int), void* data)
        : target(given), tasks_per_run(per_run), body(work_on), context(data) {
        shares = std::min(team, max_shares);
        for (int64_t s = 0; s < shares; ++s) {
            share[s].next.store(tasks * s / shares, std::memory_order_relaxed);
            share[s].end = tasks * (s + 1) / shares;
        }
    }

    // Only the calling thread polls: it is the one that may take the GIL.
    bool asked_to_stop(int thread) {
        if (thread == 0 && target.poll != nullptr && !stopped.load(std::memory_order_relaxed) &&
            target.poll(target.poll_context))
            stopped.store(true, std::memory_order_relaxed);
        return stopped.load(std::memory_order_relaxed);
    }

    void work(int thread);
};

// Where a thread is: the loop that stop_requested() asks.
struct Place {
    Loop* loop = nullptr;
    int thread = 0;
};
thread_local Place place;

void Loop::work(int thread) {
    const Place before = place;
    place = {this, thread};
    for (int s = 0; s < shares; ++s) {
        Share& from = share[(worker_number() + s) % shares];
        while (!asked_to_stop(thread)) {
            const int64_t begin = from.next.fetch_add(tasks_per_run, std::memory_order_relaxed);
            if (begin >= from.end) break;
            const int64_t end = std::min(begin + tasks_per_run, from.end);
            for (int64_t task = begin; task < end; ++task) body(context, task, thread);
        }
    }
    place = before;
}

}  // namespace

Status parallel_for(const Target& target, int64_t tasks, double flops_per_task,
                    void (*body)(void* context, int64_t task, int thread), void* context) {
    if (tasks <= 0) return Status::ok;
    const int team = team_size(target, tasks, flops_per_task);
    const int64_t fair = std::max<int64_t>(tasks / (int64_t{4} * team), 1);
    const double run = std::clamp(flops_per_run / std::max(flops_per_task, 1.0), 1.0, 1e6);
    Loop loop(target, tasks, std::min(static_cast<int64_t>(run), fair), team, body, context);
    int took_part = 1;
    if (team == 1)
        loop.work(0);
    else
        took_part = run_team(
            team, [](void* l, int thread) { static_cast<Loop*>(l)->work(thread); },
            [](void* l) { static_cast<Loop*>(l)->asked_to_stop(0); }, &loop);
    team_of_last_loop.store(took_part, std::memory_order_relaxed);
    return loop.stopped.load(std::memory_order_relaxed) ? Status::interrupted : Status::ok;
}

bool stop_requested() { return place.loop != nullptr && place.loop->asked_to_stop(place.thread); }

int last_team_size() { return team_of_last_loop.load(std::memory_order_relaxed); }

int default_num_threads() {
    const int fixed = fixed_num_threads.load(std::memory_order_relaxed);
    return fixed > 0 ? fixed : std::clamp(omp_get_max_threads(), 1, available_cpus());
}

void set_default_num_threads(int num_threads) {
    fixed_num_threads.store(num_threads, std::memory_order_relaxed);
}

int openmp_version() { return _OPENMP; }

const char* openmp_library_path() {
    Dl_info info;
    const bool found = dladdr(reinterpret_cast<void*>(&omp_get_max_threads), &info) != 0;
    return found && info.dli_fname != nullptr ? info.dli_fname : "";
}

}  // namespace layerwise
