// lasso on the CPU: G once, then blocks of signals as independent tasks; and the codes that these
// leave in slabs, packed.
#include "lasso/lasso.h"

#include "core/parallel_tasks.h"
#include "lasso/lasso_block.h"

namespace layerwise::LW_ISA_NAMESPACE {

template <class T>
static void code_block(const LassoRun<T>& call, int64_t index, int thread) {
    const LassoArgs<T>& args = call.args;
    char* memory = call.thread_memory(thread);
    const int64_t first = index * task_signals, slab = first * call.shape.atoms;
    LassoBlock<T> block{call,   first,        min_of(task_signals, call.shape.signals - first),
                        memory, call.model(), solver_scratch<T>(call.layout.solver, memory)};
    block.correlate();
    int32_t* indices = call.template at<int32_t>(call.layout.slab_indices) + slab;
    T* values = call.template at<T>(call.layout.slab_values) + slab;
    for (int64_t r = 0; r < block.rows; ++r) {
        const int64_t i = first + r;
        block.code(r);
        const int64_t count = block.write(r, indices, values);
        if (!args.codes.data) args.counts.data[i * args.counts.stride] = count;
        args.gap.data[i * args.gap.stride] = block.scratch.gap;
        indices += count;
        values += count;
    }
}

template <class T>
static Status run(const LassoArgs<T>& args, const Target& target) {
    const LassoShape shape{operand_rows(args.x), args.phi.cols,
                           args.phi.rows,        args.codes.data == nullptr,
                           args.max_active,      args.nan_missing || args.missing.data != nullptr};
    LassoRun<T> call{args, target, shape, lasso_layout<T>(shape, target)};
    const Status status = call.prepare();
    if (status != Status::ok) return status;
    const double flops = static_cast<double>(task_signals * shape.atoms) *
                         static_cast<double>(2 * shape.features + 100);
    return parallel(target, ceil_div(shape.signals, task_signals), flops,
                    [&](int64_t index, int thread) { code_block(call, index, thread); });
}

template <class T>
static Status compact(const LassoCompactArgs<T>& args, const Target& target) {
    const int64_t signals = args.indptr.size - 1, tasks = ceil_div(signals, task_signals);
    Taker taker;
    const Slabs slabs = take_slabs<T>(taker, {signals, 0, args.atoms, true, 0});
    const auto* memory = static_cast<const char*>(args.workspace);
    const auto* indices = reinterpret_cast<const int32_t*>(memory + slabs.indices);
    const auto* values = reinterpret_cast<const T*>(memory + slabs.values);
    const auto ends = [&](int64_t i) { return args.indptr.data[i * args.indptr.stride]; };
    return parallel(target, tasks, 1000, [&](int64_t t, int) {
        const int64_t begin = ends(t * task_signals);
        const auto count =
            static_cast<size_t>(ends(min_of((t + 1) * task_signals, signals)) - begin);
        const int64_t slab = t * task_signals * args.atoms;
        __builtin_memcpy(args.indices.data + begin, indices + slab, count * sizeof(int32_t));
        __builtin_memcpy(args.values.data + begin, values + slab, count * sizeof(T));
    });
}

template <class T>
static size_t slab_bytes(const LassoShape& shape) {
    Taker taker;
    take_slabs<T>(taker, shape);
    return taker.at;
}

template <class T>
static size_t workspace(const LassoShape& shape, const Target& target) {
    return lasso_layout<T>(shape, target).total;
}

template <class T>
static constexpr LassoFunctions<T> lasso_functions = {run<T>, compact<T>, workspace<T>,
                                                      slab_bytes<T>};

const LassoKernels& lasso_kernels() {
    static constexpr LassoKernels kernels = {lasso_functions<float>, lasso_functions<double>};
    return kernels;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
