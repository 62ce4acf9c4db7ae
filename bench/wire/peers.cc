#include "peers.h"

#include <simdjson.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <unordered_map>

#include "base/bytes.h"
#include "base/check.h"

namespace pga::bench {
namespace {

// ---- JSON: {"view":[{"column":value,…},…],…}

void json_text(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

template <class T>
void digits(std::string& out, T value) {
  char buffer[40];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  out.append(buffer, end);
}

std::string json_encode(const Snapshot& snapshot) {
  std::string out;
  out.reserve(1 << 21);
  out += "{\"time\":";
  digits(out, snapshot.at_us);
  for (const View& view : snapshot.views) {
    ((out += ",\"") += view.name) += "\":[";
    for (std::size_t row = 0; row < view.rows; ++row) {
      out += row == 0 ? "{" : ",{";
      bool first = true;
      for (const ViewColumn& column : view.columns) {
        ((out += first ? "\"" : ",\"") += column.name) += "\":";
        first = false;
        if (column.present[row] == 0) {
          out += "null";
        } else if (column.type == CellType::kInt) {
          digits(out, column.integers[row]);
        } else if (column.type == CellType::kDouble) {
          digits(out, column.doubles[row]);
        } else if (column.type == CellType::kBool) {
          out += column.integers[row] != 0 ? "true" : "false";
        } else {
          json_text(out, column.texts[row]);
        }
      }
      out += '}';
    }
    out += ']';
  }
  return out += '}';
}

std::size_t json_walk(simdjson::dom::element element) {
  std::size_t values = 0;
  switch (element.type()) {
    case simdjson::dom::element_type::ARRAY:
      for (const auto child : simdjson::dom::array(element)) values += json_walk(child);
      return values;
    case simdjson::dom::element_type::OBJECT:
      for (const auto field : simdjson::dom::object(element)) values += json_walk(field.value);
      return values;
    case simdjson::dom::element_type::NULL_VALUE:
      return 0;
    default:
      return 1;
  }
}

std::size_t json_decode(const std::string& text) {
  static simdjson::dom::parser parser;
  return json_walk(parser.parse(text));
}

// ---- protobuf, as far as these messages need it

struct Protobuf {
  std::string out;
  void varint(std::uint64_t v) {
    for (; v >= 0x80; v >>= 7) out += static_cast<char>(v | 0x80);
    out += static_cast<char>(v);
  }
  void tag(unsigned field, unsigned type) { varint(field << 3 | type); }
  void number(unsigned field, std::uint64_t v) { tag(field, 0), varint(v); }
  void fixed64(unsigned field, std::uint64_t v) {
    tag(field, 1);
    out.append(reinterpret_cast<const char*>(&v), 8);
  }
  void text(unsigned field, std::string_view v) {
    tag(field, 2), varint(v.size());
    out += v;
  }
};

// Walks a message whose length-delimited fields are messages where `is_message` says so; counts fields for which `is_value` holds.
struct Walk {
  // By path of field numbers, as one number in base 32.
  bool (*is_message)(std::uint64_t path);
  bool (*is_value)(std::uint64_t path);
  std::uint64_t sum = 0;  // of everything read, so that nothing is optimised away
};

std::size_t walk(Walk& w, ByteView bytes, std::uint64_t path) {
  ByteReader in(bytes);
  std::size_t values = 0;
  while (in.left() > 0) {
    const std::uint64_t key = *in.varint();
    const std::uint64_t here = path * 32 + (key >> 3);
    if ((key & 7) == 0) {
      w.sum += *in.varint();
    } else if ((key & 7) == 1) {
      w.sum += *in.fixed<std::uint64_t>();
    } else {
      const auto part = *in.raw(static_cast<std::size_t>(*in.varint()));
      if (w.is_message(here)) {
        values += walk(w, part, here);
      } else {
        w.sum += part.size();
      }
    }
    values += w.is_value(here) ? 1 : 0;
  }
  return values;
}

constexpr std::uint64_t path_of(std::initializer_list<std::uint64_t> fields) {
  std::uint64_t path = 0;
  for (const std::uint64_t field : fields) path = path * 32 + field;
  return path;
}

// ---- OpenTelemetry: one metric per column, a data point per row, an attribute per key column

std::string otlp_attributes(const View& view, std::size_t row) {
  Protobuf attributes;
  for (const ViewColumn& column : view.columns) {
    if (!column.is_key) continue;
    Protobuf value, pair;
    if (column.type == CellType::kText) {
      value.text(1, column.texts[row]);
    } else if (column.type == CellType::kBool) {
      value.number(2, static_cast<std::uint64_t>(column.integers[row]));
    } else {
      value.number(3, static_cast<std::uint64_t>(column.integers[row]));
    }
    pair.text(1, column.name);
    pair.text(2, value.out);
    attributes.text(7, pair.out);
  }
  return attributes.out;
}

std::string otlp_encode(const Snapshot& snapshot) {
  Protobuf scope_metrics;
  for (const View& view : snapshot.views) {
    std::vector<std::string> attributes;
    for (std::size_t row = 0; row < view.rows; ++row) attributes.push_back(otlp_attributes(view, row));
    for (const ViewColumn& column : view.columns) {
      if (column.is_key || column.name == "sampled_at") continue;
      Protobuf points;
      for (std::size_t row = 0; row < view.rows; ++row) {
        if (column.present[row] == 0) continue;
        Protobuf point;
        point.fixed64(3, static_cast<std::uint64_t>(snapshot.at_us) * 1000);
        if (column.type == CellType::kDouble) {
          point.fixed64(4, std::bit_cast<std::uint64_t>(column.doubles[row]));
        } else {
          point.fixed64(6, static_cast<std::uint64_t>(column.type == CellType::kText ? 1 : column.integers[row]));
        }
        point.out += attributes[row];
        if (column.type == CellType::kText) {  // a text has no value: an attribute, as info metrics have it
          Protobuf value, pair;
          value.text(1, column.texts[row]);
          pair.text(1, column.name);
          pair.text(2, value.out);
          point.text(7, pair.out);
        }
        points.text(1, point.out);
      }
      points.number(2, 2);  // cumulative
      points.number(3, 1);  // monotonic
      Protobuf metric;
      metric.text(1, "pg_" + view.name + "_" + column.name);
      metric.text(7, points.out);
      scope_metrics.text(2, metric.out);
    }
  }
  Protobuf resource_metrics, request;
  resource_metrics.text(2, scope_metrics.out);
  request.text(1, resource_metrics.out);
  return request.out;
}

std::size_t otlp_decode(const std::string& text) {
  Walk w{[](std::uint64_t p) {
           for (const auto& message : {path_of({1}), path_of({1, 2}), path_of({1, 2, 2}), path_of({1, 2, 2, 7}), path_of({1, 2, 2, 7, 1}),
                                       path_of({1, 2, 2, 7, 1, 7}), path_of({1, 2, 2, 7, 1, 7, 2})}) {
             if (p == message) return true;
           }
           return false;
         },
         [](std::uint64_t p) { return p == path_of({1, 2, 2, 7, 1, 4}) || p == path_of({1, 2, 2, 7, 1, 6}); }};
  return walk(w, as_bytes(text), 0);
}

// ---- Prometheus: one series per row and column

using Labels = std::vector<std::pair<std::string, std::string>>;

template <class F>
void each_series(const Snapshot& snapshot, F&& visit) {
  for (const View& view : snapshot.views) {
    for (std::size_t row = 0; row < view.rows; ++row) {
      Labels keys;
      for (const ViewColumn& column : view.columns) {
        if (column.is_key) keys.emplace_back(column.name, std::string(column.texts[row]));
      }
      for (const ViewColumn& column : view.columns) {
        if (column.is_key || column.present[row] == 0 || column.name == "sampled_at") continue;
        Labels labels = keys;
        labels.emplace_back("__name__", "pg_" + view.name + "_" + column.name);
        if (column.type == CellType::kText) labels.emplace_back("value", std::string(column.texts[row]));
        std::sort(labels.begin(), labels.end());
        const double value = column.type == CellType::kDouble ? column.doubles[row]
                             : column.type == CellType::kText ? 1
                                                              : static_cast<double>(column.integers[row]);
        visit(labels, value);
      }
    }
  }
}

std::string write1_encode(const Snapshot& snapshot) {
  Protobuf request;
  each_series(snapshot, [&](const Labels& labels, double value) {
    Protobuf series, sample;
    for (const auto& [name, text] : labels) {
      Protobuf label;
      label.text(1, name);
      label.text(2, text);
      series.text(1, label.out);
    }
    sample.fixed64(1, std::bit_cast<std::uint64_t>(value));
    sample.number(2, static_cast<std::uint64_t>(snapshot.at_us / 1000));
    series.text(2, sample.out);
    request.text(1, series.out);
  });
  return request.out;
}

std::size_t write1_decode(const std::string& text) {
  Walk w{[](std::uint64_t p) { return p == path_of({1}) || p == path_of({1, 1}) || p == path_of({1, 2}); },
         [](std::uint64_t p) { return p == path_of({1, 2}); }};
  return walk(w, as_bytes(text), 0);
}

std::string write2_encode(const Snapshot& snapshot) {
  std::unordered_map<std::string, std::uint32_t> ids{{"", 0}};
  std::vector<const std::string*> symbols;
  Protobuf all;
  each_series(snapshot, [&](const Labels& labels, double value) {
    Protobuf references, series, sample;
    for (const auto& [name, text] : labels) {
      for (const std::string* symbol : {&name, &text}) {
        const auto [at, is_new] = ids.try_emplace(*symbol, static_cast<std::uint32_t>(ids.size()));
        if (is_new) symbols.push_back(&at->first);
        references.varint(at->second);
      }
    }
    series.text(1, references.out);
    sample.fixed64(1, std::bit_cast<std::uint64_t>(value));
    sample.number(2, static_cast<std::uint64_t>(snapshot.at_us / 1000));
    series.text(2, sample.out);
    all.text(5, series.out);
  });
  Protobuf request;
  request.text(4, "");
  for (const std::string* symbol : symbols) request.text(4, *symbol);
  request.out += all.out;
  return request.out;
}

std::size_t write2_decode(const std::string& text) {
  Walk w{[](std::uint64_t p) { return p == path_of({5}) || p == path_of({5, 2}); }, [](std::uint64_t p) { return p == path_of({5, 2}); }};
  return walk(w, as_bytes(text), 0);
}

// ---- rows of varints: whole values, nanoseconds for times, texts in place

std::string rows_encode(const Snapshot& snapshot) {
  ByteWriter out;
  out.signed_varint(snapshot.at_us);
  for (const View& view : snapshot.views) {
    out.varint(view.rows);
    for (std::size_t row = 0; row < view.rows; ++row) {
      std::uint64_t nulls = 0;
      for (std::size_t c = 0; c < view.columns.size(); ++c) nulls |= static_cast<std::uint64_t>(view.columns[c].present[row] == 0) << c;
      out.varint(nulls);
      for (const ViewColumn& column : view.columns) {
        if (column.present[row] == 0) continue;
        if (column.type == CellType::kText) {
          out.string(column.texts[row]);
        } else {
          out.signed_varint(column.type == CellType::kDouble ? static_cast<std::int64_t>(column.doubles[row] * 1e6 + 0.5)
                                                             : column.integers[row]);
        }
      }
    }
  }
  return std::string(as_text(out.view()));
}

std::size_t rows_decode(const std::string& text, const Snapshot& shape) {
  ByteReader in(as_bytes(text));
  std::size_t values = 0;
  static_cast<void>(*in.signed_varint());
  for (const View& view : shape.views) {
    for (std::uint64_t row = *in.varint(); row-- > 0;) {
      const std::uint64_t nulls = *in.varint();
      for (std::size_t c = 0; c < view.columns.size(); ++c) {
        if ((nulls >> c & 1) != 0) continue;
        if (view.columns[c].type == CellType::kText) {
          static_cast<void>(*in.string(65'536));
        } else {
          static_cast<void>(*in.signed_varint());
        }
        ++values;
      }
    }
  }
  return values;
}

std::string snap(const std::string& text) {
  std::string out;
  snappy::Compress(text.data(), text.size(), &out);
  return out;
}

std::string unsnap(const std::string& packed) {
  std::string out;
  PGA_CHECK(snappy::Uncompress(packed.data(), packed.size(), &out));
  return out;
}

}  // namespace

std::string gzip(const std::string& text, int level) {
  z_stream stream{};
  PGA_CHECK(deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  PGA_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string gunzip(const std::string& packed, std::size_t bytes) {
  z_stream stream{};
  PGA_CHECK(inflateInit2(&stream, 15 + 16) == Z_OK);
  std::string out(bytes, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  PGA_CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  inflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text, int level) {
  static ZSTD_CCtx* const context = ZSTD_createCCtx();
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compressCCtx(context, out.data(), out.size(), text.data(), text.size(), level));
  return out;
}

std::string unzstd(const std::string& packed, std::size_t bytes) {
  static ZSTD_DCtx* const context = ZSTD_createDCtx();
  std::string out(bytes, '\0');
  PGA_CHECK(ZSTD_decompressDCtx(context, out.data(), out.size(), packed.data(), packed.size()) == bytes);
  return out;
}

std::vector<Peer> peers() {
  // What a receiver knows of the size before it decompresses is not part of the comparison: it is kept beside the body.
  static std::size_t plain_bytes = 0;
  static const Snapshot* shape = nullptr;
  const auto packed = [](auto encode, auto pack) {
    return [=](const Snapshot& s) {
      const std::string plain = encode(s);
      plain_bytes = plain.size();
      shape = &s;
      return pack(plain);
    };
  };
  const auto unpacked = [](auto unpack, auto decode) { return [=](const std::string& body) { return decode(unpack(body)); }; };
  const auto gzip6 = [](const std::string& t) { return gzip(t, 6); };
  const auto zstd3 = [](const std::string& t) { return zstd(t, 3); };
  const auto ungzip = [](const std::string& t) { return gunzip(t, plain_bytes); };
  const auto unzstd3 = [](const std::string& t) { return unzstd(t, plain_bytes); };
  const auto rows_of_shape = [](const std::string& t) { return rows_decode(t, *shape); };
  return {
      {"JSON", json_encode, json_decode},
      {"JSON+gzip-6", packed(json_encode, gzip6), unpacked(ungzip, json_decode)},
      {"JSON+zstd-3", packed(json_encode, zstd3), unpacked(unzstd3, json_decode)},
      {"OTLP+zstd-3", packed(otlp_encode, zstd3), unpacked(unzstd3, otlp_decode)},
      {"remote write 1+snappy", packed(write1_encode, snap), unpacked(unsnap, write1_decode)},
      {"remote write 2+snappy", packed(write2_encode, snap), unpacked(unsnap, write2_decode)},
      {"row varint+zstd-3", packed(rows_encode, zstd3), unpacked(unzstd3, rows_of_shape)},
  };
}

}  // namespace pga::bench
