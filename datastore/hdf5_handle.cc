#include "datastore/hdf5_handle.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>

#include "common/error.h"

namespace muster::datastore {
namespace {

using common::InputError;
using common::SystemError;

// Before any other call: HDF5 prints its error stack by itself unless told not to, thread by
// thread, and its own cleaning up at exit crashes when a file could not be closed because the disk
// was full.
void prepare_hdf5() {
  static std::once_flag once;
  std::call_once(once, [] { H5dont_atexit(); });
  thread_local const herr_t quiet = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  static_cast<void>(quiet);
}

herr_t keep_innermost(unsigned, const H5E_error2_t* error, void* text) {
  *static_cast<std::string*>(text) = error->desc != nullptr ? error->desc : "";
  return 0;
}

std::string innermost_message() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_innermost, &text);
  H5Eclear2(H5E_DEFAULT);
  // HDF5 adds file descriptors and times; the operating system's own words say it all.
  const std::string mark = "error message = '";
  const size_t begin = text.find(mark);
  if (begin != std::string::npos) {
    const size_t word = begin + mark.size();
    text = text.substr(word, text.find('\'', word) - word);
  }
  return text.empty() ? "" : ": " + text;
}

// With a remedy where the operating system's words say that the disk is full.
SystemError hdf5_error(const std::string& object, const std::string& call) {
  const std::string message = innermost_message();
  std::string remedy;
  for (const int number : {ENOSPC, EDQUOT, EFBIG}) {
    if (message == std::string(": ") + std::strerror(number)) remedy = common::remedy_for(number);
  }
  return SystemError(object, call + " failed" + message, remedy);
}

}  // namespace

Hdf5Handle::Hdf5Handle(hid_t id, const std::string& object, const std::string& call) : id_(id) {
  if (id < 0) throw hdf5_error(object, call);
}

Hdf5Handle::~Hdf5Handle() {
  if (id_ >= 0) H5Idec_ref(id_);
}

Hdf5Handle& Hdf5Handle::operator=(Hdf5Handle&& other) noexcept {
  std::swap(id_, other.id_);
  return *this;
}

void Hdf5Handle::close(const std::string& object) {
  const hid_t id = id_;
  id_ = -1;
  if (id >= 0 && H5Idec_ref(id) < 0) throw hdf5_error(object, "closing");
}

void check_hdf5(herr_t status, const std::string& object, const std::string& call) {
  if (status < 0) throw hdf5_error(object, call);
}

bool hdf5_allows_threads() {
  hbool_t allows = false;
  return H5is_library_threadsafe(&allows) >= 0 && allows;
}

Hdf5Handle create_hdf5_file(const std::string& path) {
  prepare_hdf5();
  constexpr hsize_t kPageBytes = 4096;
  Hdf5Handle creation(H5Pcreate(H5P_FILE_CREATE), path, "H5Pcreate");
  check_hdf5(H5Pset_obj_track_times(creation.get(), false), path, "H5Pset_obj_track_times");
  Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), path, "H5Pcreate");
  check_hdf5(H5Pset_alignment(access.get(), kPageBytes, kPageBytes), path, "H5Pset_alignment");
  return Hdf5Handle(H5Fcreate(path.c_str(), H5F_ACC_EXCL, creation.get(), access.get()), path,
                    "creating");
}

Hdf5Handle open_hdf5_file(const std::string& path) {
  prepare_hdf5();
  std::error_code failure;
  if (!std::filesystem::exists(path, failure)) throw InputError(path, "no such file");
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (id < 0) {
    throw InputError(path, "is not a whole HDF5 file" + innermost_message(),
                     "make it again or fetch another copy");
  }
  return Hdf5Handle(id, path, "opening");
}

Hdf5Handle create_group(const Hdf5Handle& file, const std::string& name) {
  Hdf5Handle creation(H5Pcreate(H5P_GROUP_CREATE), name, "H5Pcreate");
  check_hdf5(H5Pset_obj_track_times(creation.get(), false), name, "H5Pset_obj_track_times");
  return Hdf5Handle(H5Gcreate2(file.get(), name.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                    name, "H5Gcreate");
}

Hdf5Handle create_dataset(const Hdf5Handle& file, const std::string& name, hid_t type,
                          const std::vector<hsize_t>& shape) {
  prepare_hdf5();
  Hdf5Handle creation(H5Pcreate(H5P_DATASET_CREATE), name, "H5Pcreate");
  check_hdf5(H5Pset_obj_track_times(creation.get(), false), name, "H5Pset_obj_track_times");
  check_hdf5(H5Pset_layout(creation.get(), H5D_CONTIGUOUS), name, "H5Pset_layout");
  check_hdf5(H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY), name, "H5Pset_alloc_time");
  Hdf5Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), name,
                   "H5Screate");
  return Hdf5Handle(H5Dcreate2(file.get(), name.c_str(), type, space.get(), H5P_DEFAULT,
                               creation.get(), H5P_DEFAULT),
                    name, "H5Dcreate");
}

Hdf5Handle open_dataset(const Hdf5Handle& file, const std::string& name, const std::string& path) {
  const hid_t id = H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT);
  if (id < 0) {
    H5Eclear2(H5E_DEFAULT);
    throw InputError(path, "has no dataset " + name);
  }
  return Hdf5Handle(id, path, "H5Dopen");
}

bool has_dataset(const Hdf5Handle& file, const std::string& name) {
  const size_t slash = name.rfind('/');
  if (slash != std::string::npos && slash > 0 &&
      H5Lexists(file.get(), name.substr(0, slash).c_str(), H5P_DEFAULT) <= 0) {
    return false;
  }
  return H5Lexists(file.get(), name.c_str(), H5P_DEFAULT) > 0;
}

std::vector<hsize_t> shape_of(const Hdf5Handle& dataset) {
  Hdf5Handle space(H5Dget_space(dataset.get()), "dataset", "H5Dget_space");
  std::vector<hsize_t> shape(
      static_cast<size_t>(std::max(0, H5Sget_simple_extent_ndims(space.get()))));
  H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
  return shape;
}

namespace {

struct RowSelection {
  Hdf5Handle memory, file;
};

RowSelection select_rows(const Hdf5Handle& dataset, hsize_t first, hsize_t count,
                         const std::string& object) {
  std::vector<hsize_t> shape = shape_of(dataset);
  MUSTER_REQUIRE(shape.empty(), ==, false);
  MUSTER_REQUIRE(first + count, <=, shape[0]);
  std::vector<hsize_t> start(shape.size(), 0);
  start[0] = first;
  shape[0] = count;
  RowSelection selection;
  selection.file = Hdf5Handle(H5Dget_space(dataset.get()), object, "H5Dget_space");
  check_hdf5(H5Sselect_hyperslab(selection.file.get(), H5S_SELECT_SET, start.data(), nullptr,
                                 shape.data(), nullptr),
             object, "H5Sselect_hyperslab");
  selection.memory = Hdf5Handle(
      H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), object, "H5Screate");
  return selection;
}

}  // namespace

void write_rows(const Hdf5Handle& dataset, hid_t type, hsize_t first, hsize_t count,
                const void* data, const std::string& object) {
  if (count == 0) return;
  prepare_hdf5();  // a shard may be finished by another thread than began it
  const RowSelection rows = select_rows(dataset, first, count, object);
  check_hdf5(H5Dwrite(dataset.get(), type, rows.memory.get(), rows.file.get(), H5P_DEFAULT, data),
             object, "writing");
}

void read_rows(const Hdf5Handle& dataset, hid_t type, hsize_t first, hsize_t count, void* data,
               const std::string& object) {
  if (count == 0) return;
  const RowSelection rows = select_rows(dataset, first, count, object);
  check_hdf5(H5Dread(dataset.get(), type, rows.memory.get(), rows.file.get(), H5P_DEFAULT, data),
             object, "reading");
}

namespace {

void write_attribute_bytes(const Hdf5Handle& object, const std::string& name, hid_t file_type,
                           hid_t memory_type, const void* value) {
  Hdf5Handle space(H5Screate(H5S_SCALAR), name, "H5Screate");
  Hdf5Handle attribute(
      H5Acreate2(object.get(), name.c_str(), file_type, space.get(), H5P_DEFAULT, H5P_DEFAULT),
      name, "H5Acreate");
  check_hdf5(H5Awrite(attribute.get(), memory_type, value), name, "H5Awrite");
}

// `what` is one value of that class, as a person would say it.
Hdf5Handle open_attribute(const Hdf5Handle& object, const std::string& name, H5T_class_t type_class,
                          const std::string& what, const std::string& path) {
  if (H5Aexists(object.get(), name.c_str()) <= 0) {
    throw InputError(path, "has no attribute '" + name + "'", "was it written by muster?");
  }
  Hdf5Handle attribute(H5Aopen(object.get(), name.c_str(), H5P_DEFAULT), path, "H5Aopen");
  const Hdf5Handle type(H5Aget_type(attribute.get()), path, "H5Aget_type");
  const Hdf5Handle space(H5Aget_space(attribute.get()), path, "H5Aget_space");
  // H5Aread writes as many values as there are.
  if (H5Tget_class(type.get()) != type_class || H5Sget_simple_extent_npoints(space.get()) != 1) {
    throw InputError(path, "attribute '" + name + "' is not one " + what);
  }
  return attribute;
}

}  // namespace

void write_attribute(const Hdf5Handle& object, const std::string& name, const std::string& value) {
  Hdf5Handle type(H5Tcopy(H5T_C_S1), name, "H5Tcopy");
  check_hdf5(H5Tset_size(type.get(), value.size() + 1), name, "H5Tset_size");
  check_hdf5(H5Tset_cset(type.get(), H5T_CSET_UTF8), name, "H5Tset_cset");
  write_attribute_bytes(object, name, type.get(), type.get(), value.c_str());
}

void write_attribute(const Hdf5Handle& object, const std::string& name, double value) {
  write_attribute_bytes(object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}

void write_attribute(const Hdf5Handle& object, const std::string& name, int64_t value) {
  write_attribute_bytes(object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

std::string read_text_attribute(const Hdf5Handle& object, const std::string& name,
                                const std::string& path) {
  const Hdf5Handle attribute = open_attribute(object, name, H5T_STRING, "string", path);
  const Hdf5Handle type(H5Aget_type(attribute.get()), path, "H5Aget_type");
  if (H5Tis_variable_str(type.get()) > 0) {
    char* text = nullptr;
    check_hdf5(H5Aread(attribute.get(), type.get(), &text), path, "H5Aread");
    const std::string copy = text != nullptr ? text : "";
    H5free_memory(text);
    return copy;
  }
  std::string value(H5Tget_size(type.get()), '\0');
  check_hdf5(H5Aread(attribute.get(), type.get(), value.data()), path, "H5Aread");
  return value.c_str();
}

int64_t read_integer_attribute(const Hdf5Handle& object, const std::string& name,
                               const std::string& path) {
  const Hdf5Handle attribute = open_attribute(object, name, H5T_INTEGER, "whole number", path);
  int64_t value = 0;
  check_hdf5(H5Aread(attribute.get(), H5T_NATIVE_INT64, &value), path, "H5Aread");
  return value;
}

}  // namespace muster::datastore
