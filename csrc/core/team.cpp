// Workers that join a job through one atomic word, spin briefly for the next and then sleep.
#include "core/team.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <new>

namespace layerwise {
namespace {

// A worker looks out for the next job this long, more than Python needs between two kernels, and
// after the first microseconds offers the core to other processes between two looks. Waking takes a
// virtual machine so long that with 200 us every third job of 1 ms was done by its caller alone.
constexpr std::chrono::milliseconds watch_time{2};
constexpr int looks_before_yield = 256;

constexpr size_t worker_stack = size_t{1} << 20;

std::atomic<bool> full_teams{false};
thread_local int number_of_worker = 0;

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// The number of the job, the seats that are still free, the workers who are inside.
struct Word {
    uint32_t job;
    uint16_t seats, inside;
};
static_assert(std::atomic<Word>::is_always_lock_free);

class Team {
public:
    int run(int size, void (*work)(void*, int), void (*waiting)(void*), void* context) {
        if (busy_.test_and_set(std::memory_order_acquire)) return alone(work, context);
        start_workers(size - 1);
        const int took_part =
            workers_ > 0 ? lead(size, work, waiting, context) : alone(work, context);
        busy_.clear(std::memory_order_release);
        return took_part;
    }

    static int alone(void (*work)(void*, int), void* context) {
        work(context, 0);
        return 1;
    }

private:
    int lead(int size, void (*work)(void*, int), void (*waiting)(void*), void* context) {
        work_ = work, context_ = context;
        seats_ = static_cast<uint16_t>(size - 1 < workers_ ? size - 1 : workers_);
        word_.store({++job_, seats_, 0}, std::memory_order_release);
        published_.store(job_, std::memory_order_seq_cst);
        published_.notify_all();
        while (full_teams.load(std::memory_order_relaxed) && word_.load().seats > 0) sched_yield();
        work(context, 0);
        return 1 + close(waiting, context);
    }

    // Signals stay with the threads that the user made.
    void start_workers(int count) {
        if (workers_ >= count) return;
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, worker_stack);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        for (pthread_t thread; workers_ < count; ++workers_)
            if (pthread_create(&thread, &attributes, &Team::worker, this) != 0) break;
        pthread_attr_destroy(&attributes);
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    // Takes the free seats away and waits for those inside; returns how many had come.
    int close(void (*waiting)(void*), void* context) {
        Word word = word_.load(std::memory_order_relaxed);
        while (!word_.compare_exchange_weak(word, {word.job, 0, word.inside})) {
        }
        const int came = seats_ - word.seats;
        for (int looks = 0; word_.load(std::memory_order_acquire).inside > 0; ++looks) {
            relax();
            if (looks < looks_before_yield) continue;
            waiting(context);
            sched_yield();
        }
        return came;
    }

    // One seat of the job; false where it has none left.
    bool join(uint32_t job) {
        Word word = word_.load(std::memory_order_relaxed);
        Word joined;
        do {
            if (word.job != job || word.seats == 0) return false;
            joined = {job, static_cast<uint16_t>(word.seats - 1),
                      static_cast<uint16_t>(word.inside + 1)};
        } while (!word_.compare_exchange_weak(word, joined, std::memory_order_acq_rel));
        work_(context_, seats_ - joined.seats);
        word = word_.load(std::memory_order_relaxed);
        do joined = {word.job, word.seats, static_cast<uint16_t>(word.inside - 1)};
        while (!word_.compare_exchange_weak(word, joined, std::memory_order_acq_rel));
        return true;
    }

    // The number of a job published after `seen`.
    uint32_t next_job(uint32_t seen) const {
        const auto start = std::chrono::steady_clock::now();
        for (;;) {
            for (int look = 0; look < looks_before_yield; ++look, relax())
                if (const uint32_t job = published_.load(std::memory_order_acquire); job != seen)
                    return job;
            if (std::chrono::steady_clock::now() - start > watch_time) break;
            sched_yield();
        }
        published_.wait(seen, std::memory_order_acquire);
        return published_.load(std::memory_order_acquire);
    }

    static void* worker(void* self) {
        auto* team = static_cast<Team*>(self);
        number_of_worker = 1 + team->numbered_.fetch_add(1, std::memory_order_relaxed);
        for (uint32_t job = 0;;) {
            team->join(job = team->next_job(job));
        }
    }

    std::atomic_flag busy_;
    std::atomic<int> numbered_{0};
    int workers_ = 0;  // this and the next: of the thread that has set busy_
    uint32_t job_ = 0;
    // Of the job; workers read them while they are inside.
    void (*work_)(void*, int) = nullptr;
    void* context_ = nullptr;
    uint16_t seats_ = 0;
    alignas(64) std::atomic<Word> word_{Word{0, 0, 0}};
    alignas(64) std::atomic<uint32_t> published_{0};
};

// Never freed: workers may be waiting in it when the process ends. A child of fork has no workers
// and gets a new one; the parent's may have been copied in the middle of a job.
std::atomic<Team*> the_team{nullptr};

[[maybe_unused]] const int fork_handler =
    pthread_atfork(nullptr, nullptr, [] { the_team.store(nullptr, std::memory_order_relaxed); });

// Null where there is no memory for one: callers are without the GIL and must not throw.
Team* team() {
    Team* found = the_team.load(std::memory_order_acquire);
    if (found == nullptr) {
        auto* made = new (std::nothrow) Team;
        if (the_team.compare_exchange_strong(found, made)) return made;
        delete made;
    }
    return found;
}

}  // namespace

int run_team(int size, void (*work)(void* context, int thread), void (*waiting)(void* context),
             void* context) {
    Team* const found = team();
    return found != nullptr ? found->run(size, work, waiting, context) : Team::alone(work, context);
}

void wait_for_full_teams(bool wait) { full_teams.store(wait, std::memory_order_relaxed); }

int worker_number() { return number_of_worker; }

}  // namespace layerwise
