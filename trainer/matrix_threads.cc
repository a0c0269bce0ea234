#include "trainer/matrix_threads.h"

#include <dlfcn.h>

namespace muster::trainer {
namespace {

// The library is chosen by whoever links torch: these are looked for, not linked.
template <typename Function>
Function* loaded_function(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
}

}  // namespace

OneThreadPerProduct::OneThreadPerProduct() {
  auto* const get = loaded_function<int()>("openblas_get_num_threads");
  auto* const set = loaded_function<void(int)>("openblas_set_num_threads");
  if (get == nullptr || set == nullptr) return;
  before_ = get();
  set(1);
}

OneThreadPerProduct::~OneThreadPerProduct() {
  auto* const set = loaded_function<void(int)>("openblas_set_num_threads");
  if (before_ > 0 && set != nullptr) set(before_);
}

}  // namespace muster::trainer
