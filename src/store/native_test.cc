#include "store/native.h"

#include <doctest/doctest.h>

#include <bit>

#include "base/text.h"
#include "store/rows.h"

namespace pga::store {
namespace {

std::string hex_of(const ColumnData& column) {
  ByteWriter out;
  column.write(out);
  return to_hex(out.view());
}

std::string hex(std::string_view text) { return to_hex(as_bytes(text)); }

}  // namespace

TEST_CASE("columns of a Native block have the bytes that ClickHouse reads") {
  const auto head = [](std::string_view name, std::string_view type) {
    ByteWriter out;
    out.string(name);
    out.string(type);
    return to_hex(out.view());
  };
  SUBCASE("integers are as wide as their type") {
    ColumnData wide("a", "Int64"), narrow("a", "UInt32"), flag("a", "Bool");
    wide.integer(-2);
    narrow.integer(0x01020304);
    flag.integer(1);
    CHECK(hex_of(wide) == head("a", "Int64") + "feffffffffffffff");
    CHECK(hex_of(narrow) == head("a", "UInt32") + "04030201");
    CHECK(hex_of(flag) == head("a", "Bool") + "01");
  }
  SUBCASE("nulls are a map in front of the values") {
    ColumnData times("t", "Nullable(DateTime64(6, 'UTC'))");
    times.integer(5);
    times.integer(7, true);
    CHECK(hex_of(times) == head("t", "Nullable(DateTime64(6, 'UTC'))") + "0001" + "0500000000000000" + "0000000000000000");
    ColumnData texts("t", "Nullable(String)");
    texts.text("ab");
    texts.text("ignored", true);
    CHECK(hex_of(texts) == head("t", "Nullable(String)") + "0001" + "02" + hex("ab") + "00");
  }
  SUBCASE("a dictionary holds each text once") {
    ColumnData names("n", "LowCardinality(String)");
    for (const char* name : {"x", "yy", "x"}) names.text(name);
    CHECK(hex_of(names) == head("n", "LowCardinality(String)") + "0100000000000000" + "0006000000000000" + "0200000000000000" + "01" +
                               hex("x") + "02" + hex("yy") + "0300000000000000" + "000100");
  }
  SUBCASE("a dictionary of more than 256 texts has indices of two bytes") {
    ColumnData names("n", "LowCardinality(String)");
    for (int i = 0; i < 257; ++i) names.text(std::to_string(i));
    CHECK(hex_of(names).ends_with("ff000001"));
    CHECK(hex_of(names).find("0106000000000000") != std::string::npos);
  }
  SUBCASE("a nullable dictionary travels as plain text") {
    ColumnData names("n", "LowCardinality(Nullable(String))");
    names.text("", true);
    CHECK(hex_of(names) == head("n", "Nullable(String)") + "01" + "00");
  }
  SUBCASE("a block is its counts and its columns") {
    std::vector<ColumnData> columns = {{"a", "UInt8"}, {"b", "UInt8"}};
    for (ColumnData& column : columns) column.integer(9);
    CHECK(hex(write_block(columns)) == "0201" + head("a", "UInt8") + "09" + head("b", "UInt8") + "09");
    columns[0].clear();
    CHECK(columns[0].rows() == 0);
  }
}

TEST_CASE("cells of an answer are read by the types that it names") {
  ByteWriter out;
  const std::pair<const char*, const char*> columns[] = {{"i", "Int8"},
                                                         {"n", "Nullable(UInt64)"},
                                                         {"t", "DateTime64(3, 'UTC')"},
                                                         {"d", "DateTime('UTC')"},
                                                         {"s", "LowCardinality(Nullable(String))"},
                                                         {"f", "Float64"},
                                                         {"b", "Bool"}};
  out.varint(std::size(columns));
  for (const auto& [name, type] : columns) out.string(name);
  for (const auto& [name, type] : columns) out.string(type);
  out.fixed(std::int8_t{-3});
  out.fixed(std::uint8_t{1});
  out.fixed(std::int64_t{1'500});
  out.fixed(std::uint32_t{2});
  out.fixed(std::uint8_t{0});
  out.string("a\nb");
  out.fixed(std::bit_cast<std::uint64_t>(0.25));
  out.fixed(std::uint8_t{1});
  const auto rows = Rows::parse(out.view());
  REQUIRE(rows);
  REQUIRE(rows->size() == 1);
  CHECK(rows->integer(0, 0) == -3);
  CHECK(!rows->maybe_integer(0, 1));
  CHECK(rows->integer(0, 2) == 1'500'000);
  CHECK(rows->integer(0, 3) == 2'000'000);
  CHECK(rows->text(0, 4) == "a\nb");
  CHECK(rows->number(0, 5) == 0.25);
  CHECK(std::get<bool>(rows->at(0, 6)));

  Bytes cut(out.view().begin(), out.view().end() - 1);
  CHECK(!Rows::parse(cut));
  CHECK(Rows::parse({})->size() == 0);
}

}  // namespace pga::store
