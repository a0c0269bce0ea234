#include "models/safetensors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>

#include "common/atomic_file.h"
#include "common/error.h"
#include "tests/common/support.h"
#include "tests/models/support.h"

namespace muster::models {
namespace {

using common::contains;
using common::failure_text;
using common::InputError;

class SafetensorsTest : public testing::Test {
 protected:
  // A file of this header and this many bytes 0, 1, 2, ... of data.
  std::filesystem::path file_of(const std::string& header, size_t data_bytes) {
    std::string content(8, '\0');
    for (size_t i = 0; i < 8; ++i) content[i] = static_cast<char>(header.size() >> (8 * i));
    content += header;
    for (size_t i = 0; i < data_bytes; ++i) content += static_cast<char>(i);
    common::write_file_atomically(path_, content);
    return path_;
  }
  std::string refusal(const std::filesystem::path& path) {
    std::string text = failure_text<InputError>([&] { read_safetensors(path); });
    EXPECT_TRUE(contains(text, path.string())) << text;
    return text;
  }

  common::TestDirectory directory_;
  const std::filesystem::path path_ = directory_ / "weights.safetensors";
};

// Every stored type with values that differ; 0 to 4 are exact in all of them.
NamedTensors one_of_each_type() {
  NamedTensors tensors;
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong,
                                    at::kInt, at::kShort, at::kChar, at::kByte, at::kBool}) {
    tensors.emplace_back(at::toString(type), at::arange(5, at::kDouble).to(type));
  }
  return tensors;
}

TEST_F(SafetensorsTest, EveryTypeComesBack) {
  const NamedTensors written = one_of_each_type();
  write_safetensors(path_, written, {});
  const SafetensorsContent content = read_safetensors(path_);
  ASSERT_EQ(content.tensors.size(), written.size());
  for (const auto& [name, value] : written) {
    EXPECT_EQ(content.tensors.at(name).scalar_type(), value.scalar_type());
    EXPECT_TRUE(same_values(content.tensors.at(name), value)) << name;
  }
}

TEST_F(SafetensorsTest, MetadataComesBack) {
  const std::map<std::string, std::string> metadata = {{"format", "pt"},
                                                       {"who", "\"muster\" \n é"}};
  write_safetensors(path_, {{"a", at::ones({2})}}, metadata);
  EXPECT_EQ(read_safetensors(path_).metadata, metadata);
}

TEST_F(SafetensorsTest, ShapesComeBack) {
  write_safetensors(path_, {{"a", at::ones({2, 3, 4})}, {"scalar", at::scalar_tensor(2.5)}}, {});
  const SafetensorsContent content = read_safetensors(path_);
  EXPECT_EQ(content.tensors.at("a").sizes(), (std::vector<int64_t>{2, 3, 4}));
  EXPECT_EQ(content.tensors.at("scalar").dim(), 0);
  EXPECT_EQ(content.tensors.at("scalar").item<float>(), 2.5f);
}

TEST_F(SafetensorsTest, ATensorWithoutElementsComesBack) {
  write_safetensors(path_, {{"none", at::empty({0, 3})}, {"one", at::ones({1})}}, {});
  const SafetensorsContent content = read_safetensors(path_);
  EXPECT_EQ(content.tensors.at("none").sizes(), (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(content.tensors.at("one").item<float>(), 1);
}

TEST_F(SafetensorsTest, ATensorWhoseLastAxisIsEmptyComesBackAlone) {
  write_safetensors(path_, {{"none", at::empty({5, 0})}}, {});
  EXPECT_EQ(read_safetensors(path_).tensors.at("none").sizes(), (std::vector<int64_t>{5, 0}));
}

TEST_F(SafetensorsTest, NoTensorsAtAllComeBack) {
  write_safetensors(path_, {}, {});
  EXPECT_TRUE(read_safetensors(path_).tensors.empty());
}

TEST_F(SafetensorsTest, TransposedTensorsAreWrittenInRowOrder) {
  const at::Tensor matrix = at::arange(6, at::kFloat).view({2, 3}).t();
  write_safetensors(path_, {{"a", matrix}}, {});
  EXPECT_TRUE(same_values(read_safetensors(path_).tensors.at("a"), matrix));
}

TEST_F(SafetensorsTest, WhatWasReadIsWrittenWithTheSameBytes) {
  write_safetensors(path_, one_of_each_type(), {{"format", "pt"}});
  const SafetensorsContent content = read_safetensors(path_);
  const NamedTensors again(content.tensors.begin(), content.tensors.end());
  write_safetensors(directory_ / "again", again, content.metadata);
  EXPECT_EQ(common::read_file(directory_ / "again"), common::read_file(path_));
}

TEST_F(SafetensorsTest, TheOrderOfTensorsDoesNotChangeTheBytes) {
  NamedTensors tensors = one_of_each_type();
  write_safetensors(path_, tensors, {});
  std::reverse(tensors.begin(), tensors.end());
  write_safetensors(directory_ / "reversed", tensors, {});
  EXPECT_EQ(common::read_file(directory_ / "reversed"), common::read_file(path_));
}

TEST_F(SafetensorsTest, TensorsStartAtAMultipleOfEightBytes) {
  write_safetensors(path_, {{"odd name", at::ones({1})}}, {});
  const std::string content = common::read_file(path_);
  uint64_t length = 0;
  std::memcpy(&length, content.data(), 8);
  EXPECT_EQ(length % 8, 0u);
  EXPECT_EQ(content.size(), 8 + length + 4);
}

// 0, 1, 2, 3 as little-endian uint16 is 0x0100, 0x0302.
TEST_F(SafetensorsTest, AFileWrittenByHandIsRead) {
  const auto path = file_of(
      R"({"__metadata__":{"a":"b"},"x":{"dtype":"I16","shape":[2,1],"data_offsets":[0,4]}}  )", 4);
  const SafetensorsContent content = read_safetensors(path);
  EXPECT_EQ(content.metadata.at("a"), "b");
  const at::Tensor expected = at::tensor({0x0100, 0x0302}, at::kShort).view({2, 1});
  EXPECT_TRUE(same_values(content.tensors.at("x"), expected));
}

TEST_F(SafetensorsTest, AFloatWrittenByHandIsRead) {
  const std::string header = R"({"x":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})";
  const char bytes[] = {'\x00', '\x00', '\x20', '\xc0'};  // -2.5
  std::string content = {static_cast<char>(header.size()), 0, 0, 0, 0, 0, 0, 0};
  common::write_file_atomically(path_, content + header + std::string(bytes, 4));
  EXPECT_EQ(read_safetensors(path_).tensors.at("x").item<float>(), -2.5f);
}

TEST_F(SafetensorsTest, AMissingFileIsRefused) { refusal(directory_ / "nowhere.safetensors"); }

TEST_F(SafetensorsTest, EveryTruncationIsRefused) {
  write_safetensors(path_, {{"a", at::ones({3})}, {"b", at::ones({2})}}, {{"k", "v"}});
  const std::string content = common::read_file(path_);
  const auto cut = directory_ / "cut";
  for (size_t length = 0; length < content.size(); ++length) {
    common::write_file_atomically(cut, content.substr(0, length));
    EXPECT_THROW(read_safetensors(cut), InputError) << length << " of " << content.size();
  }
}

TEST_F(SafetensorsTest, AGarbageHeaderIsRefused) { refusal(file_of("{\"a\": what?", 16)); }

TEST_F(SafetensorsTest, AnInvalidUtf8HeaderIsRefused) { refusal(file_of("{\"\xff\xfe\": 1}", 16)); }

TEST_F(SafetensorsTest, AHeaderLongerThanTheFileIsRefused) {
  common::write_file_atomically(path_, std::string(8, '\xff') + "{}");
  refusal(path_);
}

TEST_F(SafetensorsTest, AHeaderThatIsNoObjectIsRefused) {
  for (const char* header : {"null", "[]", "5", "\"text\""}) {
    EXPECT_THROW(read_safetensors(file_of(header, 0)), InputError) << header;
  }
}

TEST_F(SafetensorsTest, AnIncompleteEntryIsRefused) {
  refusal(file_of(R"({"a":{"dtype":"F32","shape":[1]}})", 4));
  refusal(file_of(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4));
  refusal(file_of(R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4));
}

TEST_F(SafetensorsTest, AnUnknownTypeIsRefusedByName) {
  const auto path = file_of(R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1);
  EXPECT_TRUE(contains(refusal(path), "F8_E4M3"));
}

TEST_F(SafetensorsTest, OffsetsBeyondTheFileAreRefused) {
  const auto path = file_of(R"({"far":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 8);
  EXPECT_TRUE(contains(refusal(path), "far"));
}

TEST_F(SafetensorsTest, OffsetsThatRunBackwardsAreRefused) {
  refusal(file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}})", 8));
  refusal(file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 8));
}

TEST_F(SafetensorsTest, AShapeThatDoesNotFillItsOffsetsIsRefused) {
  refusal(file_of(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 12));
  refusal(file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 8));
}

// 2^62 x 4 bytes is 0 modulo 2^64.
TEST_F(SafetensorsTest, AShapeWhoseSizeOverflowsIsRefused) {
  refusal(
      file_of(R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 4));
  refusal(
      file_of(R"({"a":{"dtype":"F32","shape":[2147483648,2147483648],"data_offsets":[0,0]}})", 4));
}

TEST_F(SafetensorsTest, ANegativeAxisIsRefused) {
  refusal(file_of(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4));
}

TEST_F(SafetensorsTest, OverlappingTensorsAreRefused) {
  refusal(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                  R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                  12));
}

TEST_F(SafetensorsTest, ATensorThatOverlapsOrLeavesAGapIsNamed) {
  const std::string first = R"({"first":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)";
  EXPECT_TRUE(contains(
      refusal(file_of(first + R"("late":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", 6)),
      "tensor 'late' overlaps 'first'"));
  EXPECT_TRUE(contains(
      refusal(file_of(first + R"("late":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}})", 9)),
      "tensor 'late' leaves a gap behind 'first'"));
}

TEST_F(SafetensorsTest, ATensorInsideAnotherIsRefused) {
  const auto path = file_of(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},)"
                            R"("b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
                            8);
  EXPECT_TRUE(contains(refusal(path), "tensor 'b' overlaps 'a'"));
}

TEST_F(SafetensorsTest, ANameThatComesTwiceIsRefused) {
  const std::string entry = R"("twin":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_TRUE(contains(refusal(file_of("{" + entry + "," + entry + "}", 1)), "'twin' comes twice"));
}

TEST_F(SafetensorsTest, EntriesOfWrongKindsAreRefusedByName) {
  for (const char* entry :
       {"null", "5", "[]", R"("text")", R"({"dtype":7,"shape":[1],"data_offsets":[0,4]})",
        R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})",
        R"({"dtype":"F32","shape":[NaN],"data_offsets":[0,4]})",
        R"({"dtype":"F32","shape":[1e300],"data_offsets":[0,4]})",
        R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]})",
        R"({"dtype":"F32","shape":{"a":1},"data_offsets":[0,4]})",
        R"({"dtype":"F32","shape":1,"data_offsets":[0,4]})",
        R"({"dtype":"F32","shape":["1"],"data_offsets":[0,4]})",
        R"({"dtype":"F32","shape":[1],"data_offsets":[0]})",
        R"({"dtype":"F32","shape":[1],"data_offsets":[0,4,4]})",
        R"({"dtype":"F32","shape":[1],"data_offsets":["0","4"]})",
        R"({"dtype":"f32","shape":[1],"data_offsets":[0,4]})"}) {
    const std::string text = refusal(file_of(R"({"odd one":)" + std::string(entry) + "}", 4));
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    if (std::string(entry).find("NaN") == std::string::npos) {
      EXPECT_TRUE(contains(text, "tensor 'odd one' ")) << text;
    }
  }
}

TEST_F(SafetensorsTest, NamesWithControlCharactersStayInOneLine) {
  const auto path =
      file_of(R"({"a\n\u001b[2J":{"dtype":"F9","shape":[1],"data_offsets":[0,4]}})", 4);
  const std::string text = refusal(path);
  EXPECT_TRUE(contains(text, R"(tensor 'a\n\x1b[2J' has the unknown type "F9")")) << text;
}

TEST_F(SafetensorsTest, AnEmptyTensorWithHugeAxesIsRefused) {
  refusal(file_of(R"({"a":{"dtype":"F32","data_offsets":[0,0],)"
                  R"("shape":[4611686018427387904,4611686018427387904,0]}})",
                  0));
}

TEST_F(SafetensorsTest, ADeeplyNestedHeaderIsRefused) {
  refusal(file_of(std::string(200000, '['), 0));
}

// The destructors and printers of what a parser leaves recurse.
TEST_F(SafetensorsTest, AnyDeeplyNestedMemberIsRefused) {
  constexpr size_t kDepth = 2'000'000;
  const std::string nested = std::string(kDepth, '[') + std::string(kDepth, ']');
  for (const std::string& header :
       {R"({"a":{"dtype":)" + nested + R"(,"shape":[1],"data_offsets":[0,4]}})",
        R"({"a":{"dtype":"F32","shape":)" + nested + R"(,"data_offsets":[0,4]}})",
        R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"other":)" + nested + "}}",
        R"({"__metadata__":)" + nested + "}"}) {
    const std::string text = refusal(file_of(header, 4));
    EXPECT_TRUE(contains(text, "nested more than 8 deep")) << text.substr(0, 200);
    EXPECT_LT(text.size(), 1000u);
  }
}

TEST_F(SafetensorsTest, ATypeThatIsNoNameIsRefused) {
  for (const char* type : {"7", "null", "[[[1]]]", R"({"a":[]})"}) {
    const auto path = file_of(
        R"({"a":{"dtype":)" + std::string(type) + R"(,"shape":[1],"data_offsets":[0,4]}})", 4);
    EXPECT_TRUE(contains(refusal(path), "tensor 'a' has a 'dtype' that is no name")) << type;
  }
}

TEST_F(SafetensorsTest, LongNamesAreCutWherePrinted) {
  const std::string name(1'000'000, 'x');
  const auto entry = [](const std::string& tensor, const std::string& type) {
    return "{\"" + tensor + R"(":{"dtype":")" + type + R"(","shape":[1],"data_offsets":[0,4]}})";
  };
  const std::string type = refusal(file_of(entry("a", name), 4));
  EXPECT_TRUE(contains(type, "unknown type \"" + name.substr(0, 32) + "...\"")) << type;
  EXPECT_LT(refusal(file_of(entry(name, "F9"), 4)).size(), 1000u);
  EXPECT_LT(refusal(file_of("{\"" + name, 4)).size(), 1000u);  // no end of the string
  // No character is cut through.
  EXPECT_TRUE(contains(refusal(file_of(entry("a", name.substr(0, 31) + "éé"), 4)),
                       "unknown type \"" + name.substr(0, 31) + "...\""));
}

TEST_F(SafetensorsTest, AMemberThatComesTwiceIsRefused) {
  for (const std::string twice :
       {R"("dtype":"F32")", R"("shape":[1])", R"("data_offsets":[0,4])"}) {
    const std::string text = refusal(file_of(
        R"({"b":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[1],)"
        R"("data_offsets":[0,4],)" +
            twice + "}}",
        4));
    const std::string member = twice.substr(1, twice.find('"', 1) - 1);
    EXPECT_TRUE(contains(text, "tensor 'a' has '" + member + "' twice")) << text;
  }
  refusal(file_of(R"({"__metadata__":{"a":"b","a":"c"}})", 0));
}

TEST_F(SafetensorsTest, MoreAxesThanAnyTensorHasAreRefused) {
  std::string ones = "1";
  for (int i = 0; i < 64; ++i) ones += ",1";
  const auto path =
      file_of(R"({"a":{"dtype":"U8","shape":[)" + ones + R"(],"data_offsets":[0,1]}})", 1);
  EXPECT_TRUE(contains(refusal(path), "tensor 'a' has more than 64 axes"));
}

TEST_F(SafetensorsTest, MetadataThatIsNoTextIsRefused) {
  refusal(file_of(R"({"__metadata__":{"a":5}})", 0));
}

TEST_F(SafetensorsTest, BytesThatBelongToNoTensorAreRefused) {
  refusal(file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 8));
  refusal(file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8));
}

TEST_F(SafetensorsTest, ATypeWithoutANameCannotBeWritten) {
  const at::Tensor complex = at::zeros({2}, at::kComplexFloat);
  EXPECT_THROW(write_safetensors(path_, {{"a", complex}}, {}), InputError);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SafetensorsTest, AFolderThatIsNotThereIsASystemError) {
  const auto nowhere = directory_ / "none" / "a.safetensors";
  const std::string text = failure_text<common::SystemError>([&] {
    write_safetensors(nowhere, {{"a", at::ones({1})}}, {});
  });
  EXPECT_TRUE(contains(text, "a.safetensors")) << text;
}

}  // namespace
}  // namespace muster::models
