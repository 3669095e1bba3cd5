// A case that `python -m conformance.golden export` wrote, read back, on a little-endian machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

struct ExportedCase {
  std::filesystem::path folder;
  std::map<std::string, std::string> values;           // "scale" -> "0.25"
  std::map<std::string, std::vector<int64_t>> shapes;  // "q" -> {1, 129, 2, 16}
  std::map<std::string, std::string> types;            // "q" -> "fp32"
};

// Reads case.txt: lines "NAME VALUE" and "tensor NAME TYPE SIZE SIZE ...".
inline ExportedCase read_case(const std::filesystem::path& folder) {
  std::ifstream file(folder / "case.txt");
  if (!file) {
    throw std::runtime_error((folder / "case.txt").string() +
                             " cannot be read: export a case there");
  }
  ExportedCase found{folder, {}, {}, {}};
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (name != "tensor") {
      words >> found.values[name];
      continue;
    }
    words >> name >> found.types[name];
    for (int64_t size = 0; words >> size;) {
      found.shapes[name].push_back(size);
    }
  }
  return found;
}

// A tensor of the case, row by row.
inline std::vector<float> read_tensor(const ExportedCase& asked, const std::string& name) {
  if (asked.types.at(name) != "fp32") {
    throw std::runtime_error(name + " is " + asked.types.at(name) + ": this example reads fp32");
  }
  size_t count = 1;
  for (const int64_t size : asked.shapes.at(name)) {
    count *= static_cast<size_t>(size);
  }
  std::vector<float> values(count);
  const auto bytes = static_cast<std::streamsize>(count * sizeof(float));
  const auto path = asked.folder / (name + ".bin");
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(values.data()), bytes)) {
    throw std::runtime_error(path.string() + " is shorter than case.txt says: export it again");
  }
  return values;
}

// Writes what `python -m conformance.golden verify` reads.
inline void write_tensor(const std::filesystem::path& path, const std::vector<float>& values) {
  const auto bytes = static_cast<std::streamsize>(values.size() * sizeof(float));
  std::ofstream file(path, std::ios::binary);
  if (!file.write(reinterpret_cast<const char*>(values.data()), bytes)) {
    throw std::runtime_error(path.string() + " cannot be written");
  }
}
