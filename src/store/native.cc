#include "store/native.h"

#include "base/check.h"

namespace pga::store {
namespace {

bool unwrap(std::string_view& type, std::string_view wrapper) {
  if (!type.starts_with(wrapper) || type.size() <= wrapper.size() + 1 || type[wrapper.size()] != '(') return false;
  type = type.substr(wrapper.size() + 1, type.size() - wrapper.size() - 2);
  return true;
}

template <class T>
void write_as(ByteWriter& out, std::int64_t value) {
  out.fixed(static_cast<T>(value));
}

void write_fixed(ByteWriter& out, std::int64_t value, std::size_t width) {
  switch (width) {
    case 1:
      return write_as<std::uint8_t>(out, value);
    case 2:
      return write_as<std::uint16_t>(out, value);
    case 4:
      return write_as<std::uint32_t>(out, value);
    default:
      return write_as<std::uint64_t>(out, value);
  }
}

std::size_t width_of(std::string_view type) {
  if (type == "Bool" || type == "UInt8" || type == "Int8") return 1;
  if (type == "UInt16" || type == "Int16" || type == "Date") return 2;
  if (type == "UInt32" || type == "Int32" || type.starts_with("DateTime(") || type == "DateTime") return 4;
  return 8;  // Int64, UInt64, Float64, DateTime64
}

}  // namespace

ColumnData::ColumnData(std::string name, std::string_view type) : name_(std::move(name)), type_(type) {
  std::string_view inner = type;
  const bool dictionary = unwrap(inner, "LowCardinality");
  if (dictionary && inner.starts_with("Nullable")) type_ = std::string(inner);
  nullable_ = unwrap(inner, "Nullable");
  if (inner == "String") {
    encoding_ = dictionary && !nullable_ ? Encoding::kDictionary : Encoding::kText;
  } else {
    width_ = width_of(inner);
  }
}

void ColumnData::note(bool null) {
  PGA_CHECK(nullable_ || !null);
  if (nullable_) nulls_.push_back(null ? 1 : 0);
  ++rows_;
}

void ColumnData::integer(std::int64_t value, bool null) {
  PGA_CHECK(encoding_ == Encoding::kFixed);
  note(null);
  integers_.push_back(null ? 0 : value);
  bytes_ += width_;
}

void ColumnData::text(std::string_view value, bool null) {
  PGA_CHECK(is_text());
  note(null);
  if (null) value = {};
  if (encoding_ == Encoding::kText) {
    texts_.string(value);
    bytes_ += value.size() + 1;
    return;
  }
  const auto [at, fresh] = positions_.try_emplace(std::string(value), static_cast<std::uint32_t>(dictionary_.size()));
  if (fresh) {
    dictionary_.emplace_back(value);
    bytes_ += value.size() + 1;
  }
  indices_.push_back(at->second);
  bytes_ += 1;
}

void ColumnData::write(ByteWriter& out) const {
  out.string(name_);
  out.string(type_);
  if (nullable_) out.raw(as_bytes({reinterpret_cast<const char*>(nulls_.data()), nulls_.size()}));
  switch (encoding_) {
    case Encoding::kFixed:
      for (const std::int64_t value : integers_) write_fixed(out, value, width_);
      break;
    case Encoding::kText:
      out.raw(texts_.view());
      break;
    case Encoding::kDictionary: {
      constexpr std::uint64_t kAdditionalKeys = 0x200, kNewDictionary = 0x400;
      const std::size_t keys = dictionary_.size();
      const std::uint64_t kind = keys <= 0x100 ? 0 : keys <= 0x10000 ? 1 : 2;  // log2 of the width of an index
      out.fixed(std::uint64_t{1});
      out.fixed(kind | kAdditionalKeys | kNewDictionary);
      out.fixed(static_cast<std::uint64_t>(keys));
      for (const std::string& key : dictionary_) out.string(key);
      out.fixed(static_cast<std::uint64_t>(rows_));
      for (const std::uint32_t index : indices_) write_fixed(out, index, std::size_t{1} << kind);
      break;
    }
  }
}

void ColumnData::clear() {
  rows_ = bytes_ = 0;
  nulls_.clear();
  integers_.clear();
  texts_.clear();
  indices_.clear();
  dictionary_.clear();
  positions_.clear();
}

std::string write_block(const std::vector<ColumnData>& columns) {
  PGA_CHECK(!columns.empty() && columns.front().rows() > 0);
  ByteWriter out;
  out.varint(columns.size());
  out.varint(columns.front().rows());
  for (const ColumnData& column : columns) {
    PGA_CHECK(column.rows() == columns.front().rows());
    column.write(out);
  }
  return std::string(as_text(out.view()));
}

}  // namespace pga::store
