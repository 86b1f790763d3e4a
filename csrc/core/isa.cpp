// Which instruction-set levels this CPU and operating system run, and which one is in use.
#include "core/isa.h"

#include <cstdlib>
#include <string>
#include <string_view>

#include "core/errors.h"
#include "layerwise_build.h"

namespace layerwise {
namespace {

bool cpu_runs(std::string_view level) {
#if defined(__x86_64__)
    // libgcc's answers include the operating system's part (XCR0).
    __builtin_cpu_init();
    if (level == "v2") return __builtin_cpu_supports("x86-64-v2") != 0;
    if (level == "v3") return __builtin_cpu_supports("x86-64-v3") != 0;
    if (level == "v4" && LW_EMULATED_V4) return __builtin_cpu_supports("x86-64-v3") != 0;
    if (level == "v4") return __builtin_cpu_supports("x86-64-v4") != 0;
    return false;
#else
    return level == "neon";
#endif
}

#define LW_LEVEL_ENTRY(index, level, unused) {#level, cpu_runs(#level)},
const IsaLevel levels[] = {LW_ISA_LEVELS(LW_LEVEL_ENTRY, )};
#undef LW_LEVEL_ENTRY

std::string level_names(bool only_available) {
    std::string names;
    for (const IsaLevel& level : levels)
        if (level.available || !only_available)
            names += (names.empty() ? "" : ", ") + std::string(level.name);
    return names.empty() ? "none" : names;
}

int forced_level(std::string_view name) {
    for (int i = 0; i < isa_count(); ++i) {
        if (name != levels[i].name) continue;
        if (!levels[i].available)
            throw runtime_error("LAYERWISE_ISA: must be a level this CPU runs (", level_names(true),
                                "); got '", name, "'");
        return i;
    }
    throw runtime_error("LAYERWISE_ISA: must be one of ", level_names(false), "; got '", name, "'");
}

int choose() {
    const char* forced = std::getenv("LAYERWISE_ISA");
    if (forced != nullptr && *forced != '\0') return forced_level(forced);
    for (int i = isa_count(); i-- > 0;)
        if (levels[i].available) return i;
    throw runtime_error("layerwise: the CPU must run one of the compiled instruction-set levels ",
                        level_names(false), "; it runs none of them");
}

}  // namespace

int isa_count() { return static_cast<int>(sizeof levels / sizeof levels[0]); }

const IsaLevel& isa_level(int index) { return levels[index]; }

int chosen_isa() {
    static const int chosen = choose();
    return chosen;
}

}  // namespace layerwise
