"""Weight files as docs/formats/weights.md has them, for tests and benchmarks in Python."""
import json
import struct

import numpy

TYPES = {"F32": "<f4", "F64": "<f8"}


def write_tensors(path, tensors):
    """{name: numpy array or torch tensor}, float32 or float64; returns the path."""
    header, blocks, end = {}, [], 0
    for name, tensor in sorted(tensors.items()):
        values = numpy.ascontiguousarray(tensor.detach() if hasattr(tensor, "detach") else tensor)
        kind = {"float32": "F32", "float64": "F64"}[str(values.dtype)]
        block = values.astype(TYPES[kind]).tobytes()
        header[name] = {"dtype": kind, "shape": list(tensor.shape),
                        "data_offsets": [end, end + len(block)]}
        blocks.append(block)
        end += len(block)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blocks))
    return path


def read_tensors(path):
    """{name: numpy array}; metadata is left out."""
    content = path.read_bytes()
    length, = struct.unpack("<Q", content[:8])
    tensors = {}
    for name, entry in json.loads(content[8:8 + length]).items():
        if name != "__metadata__":
            first, last = (8 + length + offset for offset in entry["data_offsets"])
            values = numpy.frombuffer(content[first:last], TYPES[entry["dtype"]])
            tensors[name] = values.reshape(entry["shape"]).copy()
    return tensors
