// What a random number is a function of, apart from its unit (column). philox.h has the layout.
#pragma once

#include <cstdint>

namespace layerwise {

enum Purpose : uint32_t {
    purpose_gemm = 0,
    purpose_gibbs_hidden = 1,
    purpose_gibbs_visible = 2,
    purpose_dropout = 3,
    purpose_weight_init = 4,
    purpose_shuffle = 5,
    purpose_gibbs_init = 6,
};

struct RandomStream {
    uint64_t seed = 0;
    uint32_t step = 0;                  // training step or Gibbs sweep
    uint32_t purpose = 0;               // Purpose << 16 | layer
    uint32_t first_row = 0;             // global id of row 0 where row_ids is null
    const uint32_t* row_ids = nullptr;  // one id a row
};

}  // namespace layerwise
