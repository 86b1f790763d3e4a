// Binding of what core knows: the build, the CPU, the threads, the registered families.
#include <string_view>

#include "core/array.h"
#include "core/array_memory.h"
#include "core/call.h"
#include "core/cuda_device.h"
#include "core/isa.h"
#include "core/module.h"
#include "core/parallel.h"
#include "core/signature.h"
#include "core/team.h"
#include "core/threads.h"
#include "layerwise_build.h"

namespace py = pybind11;

namespace layerwise {
namespace {

struct Registered {
    const char* family;
    Device device;
    std::vector<const char*> ops;
};

std::vector<Registered>& registry() {
    static std::vector<Registered> entries;
    return entries;
}

const char* compiler() {
#if defined(__clang__)
    return __VERSION__;
#else
    return "GCC " __VERSION__;
#endif
}

// "libgomp" of ".../libgomp.so.1".
std::string openmp_name() {
    const std::string path = openmp_library_path();
    const std::string file = path.substr(path.find_last_of('/') + 1);
    return file.substr(0, file.find_first_of(".-"));
}

py::dict families() {
    py::dict out;
    for (const Registered& entry : registry()) {
        if (!out.contains(entry.family)) {
            py::dict devices;
            devices["cpu"] = py::list();
            devices["cuda"] = py::list();
            out[entry.family] = devices;
        }
        const auto devices = out[entry.family].cast<py::dict>();
        auto ops = devices[entry.device == Device::cpu ? "cpu" : "cuda"].cast<py::list>();
        for (const char* op : entry.ops) ops.append(op);
    }
    return out;
}

// The toolkit and the number of devices; the toolkit is None in a build without CUDA.
py::dict cuda() {
    py::dict out;
#ifdef LW_CUDA
    out["toolkit"] = cuda_toolkit();
    out["devices"] = cuda_device_count();
#else
    out["toolkit"] = py::none();
    out["devices"] = 0;
#endif
    return out;
}

py::dict config() {
    py::list compiled, available;
    for (int i = 0; i < isa_count(); ++i) {
        compiled.append(isa_level(i).name);
        if (isa_level(i).available) available.append(isa_level(i).name);
    }
    py::dict openmp;
    openmp["name"] = openmp_name();
    openmp["version"] = openmp_version();
    openmp["path"] = openmp_library_path();
    py::dict out;
    out["isa"] = isa_level(chosen_isa()).name;
    out["isa_compiled"] = compiled;
    out["isa_available"] = available;
    out["openmp"] = openmp;
    out["compiler"] = compiler();
    out["build_type"] = LW_BUILD_TYPE;
    out["emulated_v4"] = LW_EMULATED_V4 != 0;
    out["corrupt"] = LW_CORRUPT_NAME;
    out["cuda"] = cuda();
    out["families"] = families();
    return out;
}

void set_num_threads(py::handle num_threads) {
    set_default_num_threads(num_threads.is_none()
                                ? 0
                                : static_cast<int>(integer(num_threads, "set_num_threads",
                                                           "num_threads", 1, max_num_threads)));
}

}  // namespace

void register_family(const char* family, Device device, std::initializer_list<const char*> ops) {
    registry().push_back({family, device, ops});
}

bool has_kernel(const char* op, Device device) {
    std::string_view name = op;
    for (const std::string_view suffix : {"_workspace", "_min"})
        if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
    for (const Registered& entry : registry())
        for (const char* listed : entry.ops)
            if (entry.device == device && listed == name) return true;
    return false;
}

void init_core(py::module_& m) {
    m.def("config", &config);
    m.def("isa", [] { return isa_level(chosen_isa()).name; });
    m.def("set_num_threads", &set_num_threads, py::arg("num_threads"));
    m.def("get_num_threads", &default_num_threads);
    m.def("last_team_size", &last_team_size);
    m.def("recycle_arrays", &recycle_arrays);
    m.def("wait_for_full_teams", &wait_for_full_teams, py::arg("wait"));
    init_signature(m);
}

}  // namespace layerwise
