// Memory of NumPy's arrays that outlives them.
#pragma once

namespace layerwise {

// From here on, in this context (of contextvars), large arrays that NumPy makes take the memory of
// large ones that are gone; what these leave is kept, up to a limit. Memory that is new to a
// process costs as much as several passes over it.
void recycle_arrays();

}  // namespace layerwise
