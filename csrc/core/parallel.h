// The one parallel loop. Tasks are independent and each output belongs to one task, so the result
// does not depend on the number of threads or on the order in which they take tasks. Each begins
// with neighbouring tasks of its own, the same ones in every loop of as many.
#pragma once

#include <cstdint>

#include "core/target.h"

namespace layerwise {

// Runs body(context, task, thread) for task in [0, tasks), with thread below both
// target.num_threads and tasks.
// flops_per_task (any consistent count of elementary operations) sizes the slices between polls and
// keeps little work on one thread. Inside a caller's OpenMP region it runs serially.
Status parallel_for(const Target& target, int64_t tasks, double flops_per_task,
                    void (*body)(void* context, int64_t task, int thread), void* context);

// Whether the loop that calls this is to end: for tasks that may take long, to ask now and then.
// What a task that ends for it leaves is not used.
bool stop_requested();

// Threads that took part in the last parallel_for of this process (for the determinism tests).
int last_team_size();

}  // namespace layerwise
