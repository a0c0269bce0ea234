// HDF5 handles that close themselves, and HDF5 failures as exceptions. The only place where HDF5
// return codes are looked at.
#pragma once

#include <hdf5.h>

#include <string>
#include <vector>

namespace muster::datastore {

// Owns one hid_t of any kind (file, dataset, space, type, attribute, property list).
class Hdf5Handle {
 public:
  Hdf5Handle() = default;
  // Throws SystemError naming `object` if `id` is negative.
  Hdf5Handle(hid_t id, const std::string& object, const std::string& call);
  ~Hdf5Handle();
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(other.id_) { other.id_ = -1; }
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept;
  hid_t get() const { return id_; }
  // Closes now and throws if that fails: for files whose content must be known to be flushed.
  void close(const std::string& object);

 private:
  hid_t id_ = -1;
};

// Throws SystemError naming `object` and the deepest HDF5 message if `status` is negative.
void check_hdf5(herr_t status, const std::string& object, const std::string& call);

// Whether this build of the library may be used by several threads at once.
bool hdf5_allows_threads();

// A new file without times inside and with payloads on page boundaries. Throws SystemError.
Hdf5Handle create_hdf5_file(const std::string& path);
// Read only. Throws InputError if it is missing or not HDF5.
Hdf5Handle open_hdf5_file(const std::string& path);
Hdf5Handle create_group(const Hdf5Handle& file, const std::string& name);
// Contiguous, unfiltered, allocated at once, no times.
Hdf5Handle create_dataset(const Hdf5Handle& file, const std::string& name, hid_t type,
                          const std::vector<hsize_t>& shape);
Hdf5Handle open_dataset(const Hdf5Handle& file, const std::string& name, const std::string& path);
bool has_dataset(const Hdf5Handle& file, const std::string& name);
std::vector<hsize_t> shape_of(const Hdf5Handle& dataset);

// Rows [first, first + count) along the first axis.
void write_rows(const Hdf5Handle& dataset, hid_t type, hsize_t first, hsize_t count,
                const void* data, const std::string& object);
void read_rows(const Hdf5Handle& dataset, hid_t type, hsize_t first, hsize_t count, void* data,
               const std::string& object);

// Fixed-length string, double and integer attributes of a file's root or of a dataset.
void write_attribute(const Hdf5Handle& object, const std::string& name, const std::string& value);
void write_attribute(const Hdf5Handle& object, const std::string& name, double value);
void write_attribute(const Hdf5Handle& object, const std::string& name, int64_t value);
// Both throw InputError naming `path` when the attribute is missing or is not one value of its
// kind. Strings are of fixed or of variable length.
std::string read_text_attribute(const Hdf5Handle& object, const std::string& name,
                                const std::string& path);
int64_t read_integer_attribute(const Hdf5Handle& object, const std::string& name,
                               const std::string& path);

}  // namespace muster::datastore
