// parallel_for over a lambda, for the ISA objects. Include from *_cpu.cpp files only.
#pragma once

#include "core/isa.h"
#include "core/parallel.h"

namespace layerwise::LW_ISA_NAMESPACE {

// body(task, thread) for task in [0, tasks).
template <class F>
static inline Status parallel(const Target& target, int64_t tasks, double flops_per_task,
                              F&& body) {
    return parallel_for(
        target, tasks, flops_per_task,
        [](void* context, int64_t task, int thread) { (*static_cast<F*>(context))(task, thread); },
        &body);
}

}  // namespace layerwise::LW_ISA_NAMESPACE
