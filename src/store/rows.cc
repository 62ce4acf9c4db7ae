#include "store/rows.h"

#include <bit>
#include <charconv>

#include "store/limits.h"

namespace pga::store {
namespace {

struct Type {
  enum class Kind : std::uint8_t { kUnsigned, kSigned, kBool, kFloat, kText, kDate, kSeconds, kTicks, kNothing } kind = Kind::kNothing;
  std::size_t width = 0;
  std::int64_t scale = 1;  // microseconds of a tick, or ticks of a microsecond if negative
  bool nullable = false;
};

bool unwrap(std::string_view& type, std::string_view wrapper) {
  if (!type.starts_with(wrapper) || type.size() <= wrapper.size() + 1 || type[wrapper.size()] != '(') return false;
  type = type.substr(wrapper.size() + 1, type.size() - wrapper.size() - 2);
  return true;
}

Result<Type> parse_type(std::string_view text) {
  Type type;
  const std::string whole(text);
  unwrap(text, "LowCardinality");
  type.nullable = unwrap(text, "Nullable");
  const auto is = [&](Type::Kind kind, std::size_t width) {
    type.kind = kind;
    type.width = width;
    return type;
  };
  if (text == "String") return is(Type::Kind::kText, 0);
  if (text == "Bool") return is(Type::Kind::kBool, 1);
  if (text == "Nothing") return is(Type::Kind::kNothing, 1);
  if (text == "Float64") return is(Type::Kind::kFloat, 8);
  if (text == "Float32") return is(Type::Kind::kFloat, 4);
  if (text == "Date") return is(Type::Kind::kDate, 2);
  for (const std::size_t width : {1, 2, 4, 8}) {
    if (text == "UInt" + std::to_string(width * 8)) return is(Type::Kind::kUnsigned, width);
    if (text == "Int" + std::to_string(width * 8)) return is(Type::Kind::kSigned, width);
  }
  if (text.starts_with("DateTime64(")) {
    std::int64_t ticks = 1;
    for (int digits = 0; digits < text[11] - '0'; ++digits) ticks *= 10;
    type.scale = ticks <= 1'000'000 ? 1'000'000 / ticks : -(ticks / 1'000'000);
    return is(Type::Kind::kTicks, 8);
  }
  if (text.starts_with("DateTime")) return is(Type::Kind::kSeconds, 4);
  return corrupt("the engine answered a column of type " + whole + ", which is not read here");
}

Result<std::uint64_t> fixed(ByteReader& in, std::size_t width) {
  switch (width) {
    case 1:
      return in.fixed<std::uint8_t>();
    case 2:
      return in.fixed<std::uint16_t>();
    case 4:
      return in.fixed<std::uint32_t>();
    default:
      return in.fixed<std::uint64_t>();
  }
}

std::int64_t sign_extend(std::uint64_t value, std::size_t width) {
  switch (width) {
    case 1:
      return static_cast<std::int8_t>(value);
    case 2:
      return static_cast<std::int16_t>(value);
    case 4:
      return static_cast<std::int32_t>(value);
    default:
      return static_cast<std::int64_t>(value);
  }
}

Result<Cell> read_cell(ByteReader& in, const Type& type) {
  if (type.nullable) {
    PGA_TRY(const std::uint8_t null, in.fixed<std::uint8_t>());
    if (null != 0) return Cell{};
  }
  if (type.kind == Type::Kind::kText) {
    PGA_TRY(const std::string_view text, in.string(64 * kMiB));
    return Cell{std::string(text)};
  }
  PGA_TRY(const std::uint64_t bits, fixed(in, type.width));
  constexpr std::int64_t kSecond = 1'000'000;
  switch (type.kind) {
    case Type::Kind::kUnsigned:
      return Cell{static_cast<std::int64_t>(bits)};
    case Type::Kind::kSigned:
      return Cell{sign_extend(bits, type.width)};
    case Type::Kind::kBool:
      return Cell{bits != 0};
    case Type::Kind::kFloat:
      return Cell{type.width == 8 ? std::bit_cast<double>(bits) : double{std::bit_cast<float>(static_cast<std::uint32_t>(bits))}};
    case Type::Kind::kDate:
      return Cell{static_cast<std::int64_t>(bits) * 86'400 * kSecond};
    case Type::Kind::kSeconds:
      return Cell{static_cast<std::int64_t>(bits) * kSecond};
    case Type::Kind::kTicks: {
      const auto ticks = static_cast<std::int64_t>(bits);
      return Cell{type.scale > 0 ? ticks * type.scale : ticks / -type.scale};
    }
    case Type::Kind::kText:
    case Type::Kind::kNothing:
      break;
  }
  return Cell{};
}

}  // namespace

Result<Rows> Rows::parse(ByteView bytes) {
  Rows rows;
  if (bytes.empty()) return rows;
  ByteReader in(bytes);
  PGA_TRY(const std::uint64_t columns, in.varint());
  if (columns == 0 || columns > 2 * wire::kColumnsMax + 16) return corrupt("the engine answered " + std::to_string(columns) + " columns");
  for (std::uint64_t i = 0; i < columns; ++i) PGA_TRY_STATUS(in.string(kKiB));
  std::vector<Type> types;
  for (std::uint64_t i = 0; i < columns; ++i) {
    PGA_TRY(const std::string_view text, in.string(kKiB));
    PGA_TRY(const Type type, parse_type(text));
    types.push_back(type);
  }
  rows.columns_ = columns;
  while (in.left() > 0) {
    for (const Type& type : types) {
      PGA_TRY(Cell cell, read_cell(in, type));
      rows.cells_.push_back(std::move(cell));
    }
  }
  return rows;
}

std::optional<std::int64_t> Rows::maybe_integer(std::size_t row, std::size_t column) const {
  const Cell& cell = at(row, column);
  if (const auto* value = std::get_if<std::int64_t>(&cell)) return *value;
  if (const auto* value = std::get_if<bool>(&cell)) return *value ? 1 : 0;
  return std::nullopt;
}

std::optional<double> Rows::maybe_number(std::size_t row, std::size_t column) const {
  const Cell& cell = at(row, column);
  if (const auto* value = std::get_if<double>(&cell)) return *value;
  if (const auto integer = maybe_integer(row, column)) return static_cast<double>(*integer);
  return std::nullopt;
}

std::optional<std::string> Rows::maybe_text(std::size_t row, std::size_t column) const {
  if (const auto* value = std::get_if<std::string>(&at(row, column))) return *value;
  return std::nullopt;
}

}  // namespace pga::store
