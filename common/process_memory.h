// How this process deals with memory that it has freed.
#pragma once

namespace muster::common {

// From now on freed memory stays with the process: the next tensor of a step finds its pages there,
// where by default every large tensor is mapped, cleared and given back anew. To be called before
// threads are started; no effect but on speed and on how much memory an idle process holds.
void keep_freed_memory();

}  // namespace muster::common
