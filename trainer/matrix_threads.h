// Who shares a matrix product between threads: we do, by its rows.
#pragma once

namespace muster::trainer {

// While it lives, one call of the BLAS library stays in the thread that makes it, where the library
// is OpenBLAS, which otherwise takes every core. One at a time.
class OneThreadPerProduct {
 public:
  OneThreadPerProduct();
  ~OneThreadPerProduct();
  OneThreadPerProduct(const OneThreadPerProduct&) = delete;
  OneThreadPerProduct& operator=(const OneThreadPerProduct&) = delete;

 private:
  int before_ = 0;  // 0: not OpenBLAS
};

}  // namespace muster::trainer
